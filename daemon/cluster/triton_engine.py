"""A model on a server of NVIDIA Triton, which a daemon calls with whole batches."""

import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfd.daemon.engine_address import EngineAddress
from dfd.daemon.logs import log
from dfd.daemon.options import ServeOptions
from dfd.detector.export.facts import LENGTHS, PARAMETER, SCORES, WINDOWS, Facts
from dfd.detector.padding import padded
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError

_BUNDLED = ("bundled",)
_ASK_SECONDS = 10.0
# how often the facts of a model that scores are read again, and how long that may take
_CHECK_SECONDS = 5.0
# gRPC does not say that the other side speaks TLS, or has another authority's certificate
_TLS_ADVICE = {
    False: "; if it was started with --grpc-use-ssl, add ?tls=on or ?ca=FILE to the address",
    True: "; it needs --grpc-use-ssl and a certificate for this name, by an authority in ca=FILE",
}
# gRPC's own waits grow to two minutes, in which a server that is back is not tried
_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class TritonEngine:
    """Scores windows on a Triton server; asks for the model's facts when it is created.

    Attributes:
        spec: the facts of the model as it was exported.

    Raises:
        UserError: if the server does not answer, or its model is not one that dfd exported.
    """

    def __init__(self, address: EngineAddress, options: ServeOptions) -> None:
        try:
            from tritonclient import grpc as triton
        except ModuleNotFoundError as error:
            raise UserError(
                f"a Triton server needs the package {error.name}: pip install 'dfd[triton]'"
            ) from None
        if options.models != _BUNDLED:
            raise UserError(
                f"{options.engine} serves the model that was exported to it: leave out --model "
                f"{options.models[0]}, and write another model with dfd export"
            )
        self._triton: Any = triton
        self._name, self._place = address.name, address.place
        self._client: Any = triton.InferenceServerClient(
            address.place, channel_args=_CHANNEL, **_tls(address)
        )
        self._encrypted = address.encrypted
        self._timeout_seconds = options.batch_timeout_seconds
        self._away = False
        configuration, metadata = self._ask()
        facts = self._facts(configuration)
        self._weights, self._checked_at = facts.spec.weights_sha256, time.monotonic()
        self._check_shapes(facts.spec, metadata)
        self._least_samples = facts.least_samples
        self._most = max(1, configuration.max_batch_size)
        self.spec = _served(facts.spec, self._most, options)

    def score(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Scores windows (B, N) of the given lengths to LLRs (B,).

        Raises:
            UserError: if the server is away, or refuses the windows.
            TimeoutError: if it takes too long.
        """
        self._check_again()
        batch, valid = padded(
            windows,
            lengths,
            self.spec.padding,
            rows=len(windows),
            least_samples=self._least_samples,
        )
        parts = [
            self._infer(batch[start : start + self._most], valid[start : start + self._most])
            for start in range(0, len(batch), self._most)
        ]
        odds = np.concatenate(parts)
        return self.spec.calibration.apply(
            np.where(np.isfinite(odds), odds, np.float32(np.nan)).astype(np.float32)
        )

    def _infer(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        triton = self._triton
        given = [
            triton.InferInput(WINDOWS, list(windows.shape), "FP32"),
            triton.InferInput(LENGTHS, [len(lengths), 1], "INT64"),
        ]
        given[0].set_data_from_numpy(windows)
        given[1].set_data_from_numpy(lengths.reshape(-1, 1))
        try:
            answer = self._client.infer(
                self._name,
                given,
                outputs=[triton.InferRequestedOutput(SCORES)],
                client_timeout=self._timeout_seconds,
            )
        except Exception as error:
            raise self._explained(error) from None
        if self._away:
            self._away = False
            log(logging.WARNING, "the Triton server scores again", server=self._place)
        scores: NDArray[np.float32] = answer.as_numpy(SCORES).reshape(-1)
        if len(scores) != len(lengths):
            raise UserError(
                f"the model {self._name} of the Triton server at {self._place} gave {len(scores)} "
                f"scores for {len(lengths)} windows: export it again"
            )
        return scores

    def _check_again(self) -> None:
        """Makes sure, from time to time, that the server has not been given another model.

        Raises:
            UserError: if it has; windows fail until it has the one that this daemon knows.
        """
        if time.monotonic() < self._checked_at + _CHECK_SECONDS:
            return
        try:
            now = self._facts(self._configuration(_CHECK_SECONDS)).spec.weights_sha256
        except self._triton.InferenceServerException:
            return  # scoring will say why
        if now != self._weights:
            raise UserError(
                f"the Triton server at {self._place} serves another model {self._name} now: "
                "restart this daemon, or export the one before again"
            )
        self._checked_at = time.monotonic()

    def _explained(self, error: Exception) -> Exception:
        """Returns what to raise for an error of the client library."""
        if not isinstance(error, self._triton.InferenceServerException):
            return error
        if "DEADLINE_EXCEEDED" in str(error.status()):
            return TimeoutError(f"the Triton server at {self._place} takes too long")
        self._away, self._checked_at = True, -math.inf  # it may come back with another model
        if "UNAVAILABLE" in str(error.status()) and not self._lives():
            return UserError(
                f"the Triton server at {self._place} is away: windows fail until it is back"
            )
        return UserError(
            f"the model {self._name} of the Triton server at {self._place} does not score: "
            f"{error.message()}"
        )

    def _lives(self) -> bool:
        """Returns whether the server answers; of a model that was unloaded it says UNAVAILABLE."""
        try:
            return bool(self._client.is_server_live(client_timeout=_CHECK_SECONDS))
        except self._triton.InferenceServerException:
            return False

    def _configuration(self, seconds: float) -> Any:
        return self._client.get_model_config(self._name, client_timeout=seconds).config

    def _ask(self) -> tuple[Any, Any]:
        """Returns the configuration and the metadata of the model."""
        try:
            configuration = self._configuration(_ASK_SECONDS)
            metadata = self._client.get_model_metadata(self._name, client_timeout=_ASK_SECONDS)
        except self._triton.InferenceServerException as error:
            status = str(error.status())
            if "DEADLINE_EXCEEDED" in status or ("UNAVAILABLE" in status and not self._lives()):
                raise UserError(
                    f"no Triton server answers at {self._place}"
                    f"{' by TLS' if self._encrypted else ''}: start tritonserver "
                    "--model-repository DIR, and name its gRPC port, usually 8001"
                    f"{_TLS_ADVICE[self._encrypted]}"
                ) from None
            raise UserError(
                f"the Triton server at {self._place} has no model {self._name} that is ready: "
                f"write one into its repository with dfd export ({error.message()})"
            ) from None
        return configuration, metadata

    def _facts(self, configuration: Any) -> Facts:
        text = configuration.parameters[PARAMETER].string_value
        if not text:
            raise UserError(
                f"the model {self._name} of the Triton server at {self._place} was not written by "
                "dfd: its thresholds and calibration are not known; write it with dfd export"
            )
        return Facts.from_json(text)

    def _check_shapes(self, spec: ModelSpec, metadata: Any) -> None:
        wanted = {
            WINDOWS: ("FP32", spec.window_samples),
            LENGTHS: ("INT64", 1),
            SCORES: ("FP32", 1),
        }
        found = {
            one.name: (one.datatype, one.shape[-1] if len(one.shape) == 2 else list(one.shape))
            for one in (*metadata.inputs, *metadata.outputs)
        }
        if found != wanted:
            raise UserError(
                f"the model {self._name} of the Triton server at {self._place} has tensors "
                f"{_tensors(found)}, and its facts want {_tensors(wanted)}: export it again"
            )


def _served(spec: ModelSpec, most: int, options: ServeOptions) -> ModelSpec:
    from dataclasses import replace

    buckets = options.batch_buckets or spec.batch_buckets
    fitting = tuple(bucket for bucket in buckets if bucket <= most) or (most,)
    return replace(spec, engine=f"triton/{spec.engine}", batch_buckets=fitting)


def _tls(address: EngineAddress) -> dict[str, Any]:
    """Returns how the client library is told of TLS.

    Raises:
        UserError: if a file cannot be read.
    """
    if not address.encrypted:
        return {}
    files = {name: address.arguments.get(name) for name in ("ca", "cert", "key")}
    for name, file in files.items():
        try:
            if file is not None:
                Path(file).read_bytes()
        except OSError as error:
            raise UserError(
                f"{name}={file} of the engine's address cannot be read: {error.strerror or error}"
            ) from None
    return {
        "ssl": True,
        "root_certificates": files["ca"],
        "certificate_chain": files["cert"],
        "private_key": files["key"],
    }


def _tensors(shapes: dict[str, Any]) -> str:
    return ", ".join(f"{name} {kind} (B, {size})" for name, (kind, size) in sorted(shapes.items()))
