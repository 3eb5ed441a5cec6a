"""Clients of the daemon: a typed client, replay, microphone, displays.

AsyncDetectionClient, DetectionClient      one server; make streams, judge recordings
AudioFormat, StreamOptions, Connection...  what may be asked (audio.py, options.py)
events.py                                  what is told: Started, WindowResult, Alert, ...
DetectionError, UserError                  what goes wrong (errors.py)
open_recording                             audio files as chunks (recording.py)
sinks.py                                   events as JSON lines
"""

from dfd.clients.audio import AudioFormat, Encoding
from dfd.clients.blocking import BlockingStream, DetectionClient
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError, UserError
from dfd.clients.options import (
    AlertPolicy,
    Connection,
    RetryPolicy,
    StreamOptions,
    VadEngine,
    VadOptions,
)
from dfd.clients.recording import Recording, open_recording
from dfd.clients.stream import DetectionStream

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
]
