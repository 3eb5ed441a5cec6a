"""The windows of one stream that wait for their turn: each channel's are resolved in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dfd.daemon.scheduling.batching import Outcome
from dfd.daemon.tracing import end_window
from dfd.streaming.types import Window, WindowStatus

if TYPE_CHECKING:
    from opentelemetry.trace import Span


@dataclass(slots=True, eq=False)
class Turn:
    """A window that waits for its turn to be resolved.

    Attributes:
        arrived_at: when the audio that completed it arrived.
        outcome: what became of it; None until that is known.
        span: its span, if it is traced.
    """

    window: Window
    arrived_at: float
    outcome: Outcome | None = None
    span: Span | None = None

    def end_span(self, outcome: Outcome) -> None:
        """Ends the window's span, if it is traced."""
        if self.span is not None:
            end_window(
                self.span,
                outcome.status,
                queue_seconds=outcome.queue_seconds,
                compute_seconds=outcome.compute_seconds,
                batch_size=outcome.batch_size,
            )


class Turns:
    """The waiting windows of all channels."""

    def __init__(self, channels: Iterable[int]) -> None:
        self._waiting: dict[int, deque[Turn]] = {channel: deque() for channel in channels}

    @property
    def channel_count(self) -> int:
        """The number of channels."""
        return len(self._waiting)

    @property
    def longest(self) -> int:
        """The number of windows that wait on the channel with most."""
        return max(map(len, self._waiting.values()), default=0)

    def add(self, turn: Turn) -> None:
        """Adds a window after the others of its channel."""
        self._waiting[turn.window.channel].append(turn)

    def take(self, channel: int) -> Iterator[tuple[Turn, Outcome]]:
        """Takes the windows whose outcome is known, up to the first whose outcome is not."""
        waiting = self._waiting[channel]
        while waiting and (outcome := waiting[0].outcome) is not None:
            turn = waiting.popleft()
            turn.end_span(outcome)
            yield turn, outcome

    def drop(self) -> None:
        """Drops all windows; those without an outcome count as shed."""
        for waiting in self._waiting.values():
            for turn in waiting:
                turn.end_span(turn.outcome or Outcome(WindowStatus.SHED))
            waiting.clear()
