"""Clients of the daemon: a typed client, and packages built on it.

AsyncDetectionClient, DetectionClient      one server: open streams, score recordings
AudioFormat, StreamOptions, Connection...  what to ask for (audio.py, options.py)
events.py                                  what comes back: Started, WindowResult, Alert, ...
server_info.py                             what a server says of itself: ServerInfo, ModelInfo, ...
DetectionError, UserError                  what can go wrong (errors.py)
open_recording, open_recordings            audio files as chunks, one object per track

transport/ how a stream outlives calls and connections; protocol/ what is written on the wire
sources/   where audio comes from: a microphone, recordings
runs/      what `dfd listen` and `dfd replay` do
display/   what a terminal or a picture shows of it
alerts/    where events go: JSON lines, web hooks, a command
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfd.clients.audio import AudioFormat, Encoding
    from dfd.clients.blocking import BlockingStream, DetectionClient
    from dfd.clients.client import AsyncDetectionClient
    from dfd.clients.errors import DetectionError
    from dfd.clients.options import (
        AlertPolicy,
        Connection,
        RetryPolicy,
        StreamOptions,
        VadEngine,
        VadOptions,
    )
    from dfd.clients.sources.recording import Recording, open_recording, open_recordings
    from dfd.clients.stream import DetectionStream
    from dfd.errors import UserError

# module -> the names it provides; imported lazily, so that each part costs only itself
_MODULES = {
    "dfd.clients.audio": ("AudioFormat", "Encoding"),
    "dfd.clients.blocking": ("BlockingStream", "DetectionClient"),
    "dfd.clients.client": ("AsyncDetectionClient",),
    "dfd.clients.errors": ("DetectionError",),
    "dfd.errors": ("UserError",),
    "dfd.clients.options": (
        *("AlertPolicy", "Connection", "RetryPolicy"),
        *("StreamOptions", "VadEngine", "VadOptions"),
    ),
    "dfd.clients.sources.recording": ("Recording", "open_recording", "open_recordings"),
    "dfd.clients.stream": ("DetectionStream",),
}

__all__ = [
    "AlertPolicy",
    "AsyncDetectionClient",
    "AudioFormat",
    "BlockingStream",
    "Connection",
    "DetectionClient",
    "DetectionError",
    "DetectionStream",
    "Encoding",
    "Recording",
    "RetryPolicy",
    "StreamOptions",
    "UserError",
    "VadEngine",
    "VadOptions",
    "open_recording",
    "open_recordings",
]


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
