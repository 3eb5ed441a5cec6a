"""The classifier as an application of Ray Serve: replicas on GPUs or CPUs, scaled by their queue.

Serve places, watches and scales the replicas, and says where they are. Daemons send their batches
to a replica directly (`ray_listener.py`).
"""

from typing import Any

import ray
from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

from dfd.daemon.cluster import ray_scaling
from dfd.daemon.cluster.messages import Replica
from dfd.daemon.cluster.ray_listener import Listener
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.load import load_local
from dfd.detector.spec import ModelSpec

DEPLOYMENT = "Engine"


class Engine:
    """One replica: a warm classifier.

    Args:
        options: of `dfd serve`, as far as they concern the model.
    """

    def __init__(self, **options: Any) -> None:
        self._detector = load_local(ServeOptions(**options))
        address: Any = ray.util.get_node_ip_address
        self._listener = Listener(self._detector.score, address())

    def spec(self) -> ModelSpec:
        """Returns the properties of the model."""
        return self._detector.spec

    def where(self) -> Replica:
        """Returns where daemons send their batches."""
        listener = self._listener
        return Replica(listener.host, listener.port, listener.key, listener.callers)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Returns what Serve asks a replica for, to scale by."""
        return {ray_scaling.BATCHES: self._listener.load()}


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
    if "model" in options:
        options["model"] = tuple(str(options["model"]).split(","))
    scaling: dict[str, Any] = {"num_replicas": int(least)}
    if most:
        policy: Any = AutoscalingPolicy
        scaling = {
            "autoscaling_config": AutoscalingConfig(
                min_replicas=int(least),
                max_replicas=int(most),
                policy=policy(policy_function=f"{ray_scaling.__name__}:wanted"),
            )
        }
    deployment: Any = serve.deployment(
        Engine,
        name=DEPLOYMENT,
        ray_actor_options=resources,
        # no line of Serve's own log for each batch
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
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
