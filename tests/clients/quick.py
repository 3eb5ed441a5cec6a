"""What the tests of the client share: quick retries, a format, audio, and readings of events."""

from collections.abc import AsyncIterator

from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat
from dfd.clients.options import RetryPolicy

QUICK = RetryPolicy(
    connect_seconds=5.0, reconnect_seconds=20.0, first_delay_seconds=0.02, max_delay_seconds=0.1
)


FORMAT = AudioFormat(sample_rate_hz=8000)


SECOND = bytes(16000)


TENTH = bytes(1600)


async def rest(stream: AsyncIterator[ev.Event]) -> list[ev.Event]:
    return [event async for event in stream]


def only(events: list[ev.Event], kind: type[ev.Event]) -> ev.Event:
    (found,) = [event for event in events if isinstance(event, kind)]
    return found
