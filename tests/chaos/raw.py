"""A client that speaks HTTP/2 by hand and can misbehave."""

import socket
import struct
import time
from typing import Self

import h2.config
import h2.connection
import h2.events
import h2.settings

STREAMING = "/dfd.v1.DetectionService/StreamingDetect"
DETECT = "/dfd.v1.DetectionService/Detect"


def frame(message: bytes, length: int | None = None) -> bytes:
    """Makes a gRPC message, whose declared length may be wrong."""
    return struct.pack(">BI", 0, len(message) if length is None else length) + message


class RawClient:
    """One connection.

    Args:
        port: of this machine.
        window: what the server may send on a stream before it is given more; it never is.
        source: its own address.
    """

    def __init__(self, port: int, window: int = 65_535, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 20, (source, 0))
        self.http = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        self.http.local_settings = h2.settings.Settings(
            initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
        )
        self.http.initiate_connection()
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        """Sends pending data."""
        self.socket.sendall(self.http.data_to_send())

    def call(self, path: str = STREAMING, **metadata: str) -> int:
        """Opens a call and returns its stream."""
        stream = self.http.get_next_available_stream_id()
        self.http.send_headers(
            stream,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", path),
                (":authority", "localhost"),
                ("content-type", "application/grpc"),
                ("te", "trailers"),
                *metadata.items(),
            ],
        )
        self.flush()
        return stream

    def send(self, stream: int, data: bytes, end: bool = False) -> int:
        """Sends as much as the window allows, and returns how much that was."""
        room = self.http.local_flow_control_window(stream)
        sent = data[:room]
        most = self.http.max_outbound_frame_size
        for at in range(0, len(sent), most):
            self.http.send_data(stream, sent[at : at + most])
        if end and len(sent) == len(data):
            self.http.end_stream(stream)
        self.flush()
        return len(sent)

    def receive(self, seconds: float) -> list[h2.events.Event]:
        """Receives what arrives within this time; empty if nothing does."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            return []
        events = list(self.http.receive_data(data)) if data else []
        self.flush()
        return events

    def push(self, stream: int, data: bytes, seconds: float) -> int:
        """Sends as long as the server reads, for at most this long; returns how much."""
        sent, end = 0, time.monotonic() + seconds
        while sent < len(data) and time.monotonic() < end:
            sent += self.send(stream, data[sent:])
            if sent < len(data):
                self.receive(0.2)
        return sent
