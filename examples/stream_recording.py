"""Streams a recording to a daemon and prints every event: python stream_recording.py CALL.wav."""

import sys

from dfd.clients import DetectionClient, open_recording

recording = open_recording(sys.argv[1])
server = sys.argv[2] if len(sys.argv) > 2 else "localhost:50051"
with (
    DetectionClient(server) as client,
    client.stream(recording.audio_format, live=False) as stream,
):
    stream.send_all(recording.chunks(0.1))
    for event in stream:
        print(event)
