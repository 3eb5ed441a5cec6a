"""A small server of Triton's protocol, which really runs the exported TorchScript files.

python -m tests.chaos.kserve REPOSITORY PORT [CERTIFICATE KEY]
"""

import queue
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import torch
from google.protobuf import text_format
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

_TYPES = {"TYPE_FP32": np.float32, "TYPE_INT64": np.int64}
Batch = tuple[NDArray[Any], ...]


class Model:
    """One model of the repository, with Triton's dynamic batching."""

    def __init__(self, folder: Path) -> None:
        self.config: Any = model_config_pb2.ModelConfig()
        text_format.Parse((folder / "config.pbtxt").read_text(), self.config)
        assert self.config.name == folder.name
        assert self.config.backend == "pytorch"
        assert self.config.HasField("dynamic_batching")
        load: Any = torch.jit.load
        self._network = load(folder / "1" / self.config.default_model_filename)
        self._waiting: queue.SimpleQueue[tuple[Batch, Future[NDArray[Any]]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def score(self, batch: Batch) -> NDArray[Any]:
        """Waits for the scores of one request."""
        answer: Future[NDArray[Any]] = Future()
        self._waiting.put((batch, answer))
        return answer.result()

    def _work(self) -> None:
        delay = self.config.dynamic_batching.max_queue_delay_microseconds / 1e6
        while True:
            together = [self._waiting.get()]
            try:
                while sum(len(one[0]) for one, _ in together) < self.config.max_batch_size:
                    together.append(self._waiting.get(timeout=delay))
            except queue.Empty:
                pass
            inputs = [
                torch.from_numpy(np.concatenate([one[index] for one, _ in together]))
                for index in range(len(self.config.input))
            ]
            with torch.inference_mode():
                scores = self._network(*inputs).split([len(one[0]) for one, _ in together])
            for (_, answer), mine in zip(together, scores, strict=True):
                answer.set_result(mine.numpy())


class Service(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """What the client library asks for."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._models = {folder.name: Model(folder) for folder in repository.iterdir()}

    def _model(self, name: str, context: grpc.ServicerContext) -> Model:
        if name not in self._models:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"Request for unknown model: '{name}'")
        return self._models[name]

    def ServerLive(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return service_pb2.ServerLiveResponse(live=True)

    def RepositoryModelLoad(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._models[request.model_name] = Model(self._repository / request.model_name)
        return service_pb2.RepositoryModelLoadResponse()

    def RepositoryModelUnload(  # noqa: N802
        self, request: Any, context: grpc.ServicerContext
    ) -> Any:
        self._models.pop(request.model_name)
        return service_pb2.RepositoryModelUnloadResponse()

    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return service_pb2.ModelReadyResponse(ready=request.name in self._models)

    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        config = self._model(request.name, context).config
        return service_pb2.ModelConfigResponse(config=config)

    def ModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        config = self._model(request.name, context).config
        answer = service_pb2.ModelMetadataResponse(name=config.name, versions=["1"])
        for mine, theirs in ((answer.inputs, config.input), (answer.outputs, config.output)):
            for one in theirs:
                kind = model_config_pb2.DataType.Name(one.data_type).removeprefix("TYPE_")
                mine.add(name=one.name, datatype=kind, shape=[-1, *one.dims])
        return answer

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        model = self._model(request.model_name, context)
        given = {
            one.name: (list(one.shape), raw)
            for one, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        batch = []
        for one in model.config.input:
            shape, raw = given[one.name]
            if shape[1:] != list(one.dims) or not 1 <= shape[0] <= model.config.max_batch_size:
                context.abort(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"unexpected shape for input '{one.name}': expected [-1,{one.dims[0]}], "
                    f"got {shape}",
                )
            kind = _TYPES[model_config_pb2.DataType.Name(one.data_type)]
            batch.append(np.frombuffer(raw, kind).reshape(shape))
        scores = model.score(tuple(batch))
        answer = service_pb2.ModelInferResponse(model_name=request.model_name)
        (output,) = model.config.output
        answer.outputs.add(name=output.name, datatype="FP32", shape=scores.shape)
        answer.raw_output_contents.append(scores.astype(np.float32).tobytes())
        return answer


def main() -> None:
    """Serves until it is killed."""
    torch.set_num_threads(1)
    options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
    server = grpc.server(ThreadPoolExecutor(16), options=options)
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Service(Path(sys.argv[1])), server)
    address = f"127.0.0.1:{sys.argv[2]}"
    if len(sys.argv) > 3:
        chain, key = (Path(file).read_bytes() for file in sys.argv[3:])
        server.add_secure_port(address, grpc.ssl_server_credentials([(key, chain)]))
    else:
        server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
