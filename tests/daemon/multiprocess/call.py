"""A stream and a health check on connections of their own."""

import threading
from collections.abc import Iterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.daemon.harness import (
    Failure,
    config_request,
    unpack,
)
from tests.daemon.multiprocess.process import SupervisorProcess


class Call:
    """A stream on its own connection, sent by hand."""

    def __init__(self, daemon: SupervisorProcess, wait: bool = True) -> None:
        own = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{daemon.port}", own)
        self._more = threading.Condition()
        self._requests: list[Any] = [config_request()]
        self._call = DetectionServiceStub(self.channel).StreamingDetect(self._sent(), timeout=90)
        self.responses: list[pb.StreamingDetectResponse] = []
        self.failure: Failure | None = None
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        if wait:
            daemon.until(lambda: bool(self.responses) or self.failure is not None)

    def _sent(self) -> Iterator[Any]:
        while True:
            with self._more:
                while not self._requests:
                    self._more.wait()
                request = self._requests.pop(0)
            if request is None:
                return
            yield request

    def _read(self) -> None:
        try:
            self.responses.extend(self._call)
        except grpc.RpcError as raised:
            error: Any = raised
            try:
                self.failure = unpack(error)
            except KeyError:  # gRPC's own status, when the connection is lost
                self.failure = Failure(error.code(), "", "", None)
        with self._more:
            self._requests.append(None)
            self._more.notify()

    def send(self, *requests: Any) -> None:
        with self._more:
            self._requests.extend(requests)
            self._more.notify()

    def finish(self) -> "Call":
        """Half-closes and reads the rest."""
        self.send(None)
        self._reading.join(60)
        assert not self._reading.is_alive()
        self.channel.close()
        return self

    @property
    def windows(self) -> list[pb.WindowResult]:
        return [r.window for r in self.responses if r.HasField("window")]


def health(daemon: SupervisorProcess) -> int:
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{daemon.port}", own) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        return int(answer.status)
