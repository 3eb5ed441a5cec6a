r"""Streams audio from standard input and posts every alert to a webhook.

    arecord -q -f S16_LE -r 16000 -t raw | \
        DFD_WEBHOOK_SECRET=... python alert_to_webhook.py https://fraud.example/hook

The body is signed; webhook_receiver.py shows how to check it.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator

from dfd.clients import AsyncDetectionClient, AudioFormat, Encoding
from dfd.clients.alerts.webhook import WebhookSink
from dfd.clients.events import Alert


async def chunks(rate: int) -> AsyncIterator[bytes]:
    """Reads a tenth of a second of 16-bit samples at a time, until standard input ends."""
    while content := await asyncio.to_thread(sys.stdin.buffer.read, rate // 10 * 2):
        yield content[: len(content) // 2 * 2]


async def main() -> None:
    """Streams audio and passes each alert to the webhook's thread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--server", default="localhost:50051")
    parser.add_argument("--rate", type=int, default=16000)
    options = parser.parse_args()
    webhook = WebhookSink(options.url, os.environ.get("DFD_WEBHOOK_SECRET"))
    try:
        async with AsyncDetectionClient(options.server) as client:
            audio_format = AudioFormat(Encoding.LINEAR16, options.rate)
            audio = chunks(options.rate)
            async for event in client.stream_events(audio, audio_format, live=True):
                if isinstance(event, Alert):
                    print(f"{event.trigger}: {event.score.spoof_probability:.2f}", flush=True)
                    webhook.emit("microphone", event)
    finally:
        webhook.close()  # waits for deliveries in progress


if __name__ == "__main__":
    asyncio.run(main())
