"""The classifier as an application of Ray Serve: replicas on GPUs or CPUs, scaled by their queue.

Daemons call it with whole batches; those that arrive at the same moment share a forward pass.
"""

import asyncio
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve

from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.load import load_local
from dfd.detector.spec import ModelSpec

DEPLOYMENT = "Engine"
# Calls of daemons that may share a pass. None waits for others: a daemon has already waited with
# its own windows, and what arrives during a pass shares the next one.
_CALLS_IN_A_PASS = 8
_WAIT_SECONDS = 0.0
# calls that wait at a replica, beyond which another replica is worth its while
_WANTED_CALLS = 2.0

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]


class Engine:
    """One replica: a warm classifier.

    Args:
        options: of `dfd serve`, as far as they concern the model.
    """

    def __init__(self, **options: Any) -> None:
        self._detector = load_local(ServeOptions(**options))

    def spec(self) -> ModelSpec:
        """Returns the properties of the model."""
        return self._detector.spec

    @serve.batch(max_batch_size=_CALLS_IN_A_PASS, batch_wait_timeout_s=_WAIT_SECONDS)
    async def score(self, batches: list[Batch]) -> list[NDArray[np.float32]]:
        """Scores the batches of several daemons in one pass, each to LLRs (B,)."""
        if len(batches) == 1:
            # as it lies in the object store, without a copy
            return [await asyncio.to_thread(self._detector.score, *batches[0])]
        windows = np.concatenate([windows for windows, _ in batches])
        lengths = np.concatenate([lengths for _, lengths in batches])
        llrs = await asyncio.to_thread(self._detector.score, windows, lengths)
        ends = np.cumsum([len(lengths) for _, lengths in batches])[:-1]
        return np.split(llrs, ends)


def build(arguments: dict[str, str]) -> serve.Application:
    """Returns the application; also for `serve run` and `serve deploy`.

    Args:
        arguments: `replicas` (a number, or "1-8" to scale by the queue), `cpus` and `gpus` of
            each; all others are options of `dfd serve`: model, device, precision, threads.
    """
    options: dict[str, Any] = {key: _value(value) for key, value in arguments.items()}
    least, _, most = str(options.pop("replicas", 1)).partition("-")
    resources: dict[str, Any] = {
        "num_cpus": options.pop("cpus", 1),
        "num_gpus": options.pop("gpus", 0),
    }
    # the model has a thread of its own, and Serve needs none more for each call
    resources["runtime_env"] = {"env_vars": {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}}
    if "model" in options:
        options["model"] = tuple(str(options["model"]).split(","))
    scaling: dict[str, Any] = {"num_replicas": int(least)}
    if most:
        scaling = {
            "autoscaling_config": {
                "min_replicas": int(least),
                "max_replicas": int(most),
                "target_ongoing_requests": _WANTED_CALLS,
            }
        }
    deployment: Any = serve.deployment(
        Engine,
        name=DEPLOYMENT,
        ray_actor_options=resources,
        # no line of Serve's own log for each batch
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
        max_ongoing_requests=4 * _CALLS_IN_A_PASS,
        health_check_period_s=1.0,
        health_check_timeout_s=10.0,
        graceful_shutdown_timeout_s=5.0,
        **scaling,
    )
    application: serve.Application = deployment.bind(**options)
    return application


def _value(text: Any) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except (TypeError, ValueError):
            continue
    return text
