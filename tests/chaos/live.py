"""A real-time stream in the background of a test."""

import queue
import threading
from collections.abc import Iterator
from typing import Any, Self

import grpc

from dfd.v1 import detection_pb2 as pb
from tests.chaos.daemon import Daemon, audio, config


class Live:
    """A real-time stream until the context ends, with its responses."""

    def __init__(self, daemon: Daemon) -> None:
        self.channel = grpc.insecure_channel(daemon.address)
        self.told: queue.Queue[str] = queue.Queue()
        self._over = threading.Event()
        method: Any = self.channel.stream_stream(
            "/dfd.v1.DetectionService/StreamingDetect",
            request_serializer=pb.StreamingDetectRequest.SerializeToString,
            response_deserializer=pb.StreamingDetectResponse.FromString,
        )
        self.call = method(self._talk(), timeout=120)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _talk(self) -> Iterator[pb.StreamingDetectRequest]:
        yield config()
        while not self._over.wait(0.1):
            yield audio(0.1)

    def _read(self) -> None:
        try:
            for answer in self.call:
                if answer.HasField("warning"):
                    self.told.put(answer.warning.reason)
                elif answer.HasField("summary"):
                    self.told.put("summary")
        except grpc.RpcError as error:
            self.told.put(str(error.code()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.call.cancel()
        self._reader.join(20)
        self.channel.close()

    def finish(self) -> None:
        """Ends the audio."""
        self._over.set()

    def until_told(self, word: str, seconds: float) -> None:
        while self.told.get(timeout=seconds) != word:
            pass
