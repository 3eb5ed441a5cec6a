"""When to retry a lost or full server."""

import random
import time
from collections.abc import Callable

from dfd.clients.errors import DetectionError
from dfd.clients.options import RetryPolicy


class Backoff:
    """The delays between consecutive attempts, bounded in time and number.

    Args:
        policy: the bounds.
        budget_seconds: how long the attempts may last in all.
        clock: a monotonic clock, in seconds.
        draw: draws from [0, 1).
    """

    def __init__(
        self,
        policy: RetryPolicy,
        budget_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._draw = draw
        self._until = clock() + budget_seconds
        self.attempts = 0

    def next_delay(self, error: DetectionError) -> float | None:
        """Returns the seconds to wait before the next attempt; None means give up."""
        self.attempts += 1
        policy = self._policy
        if not error.retryable:
            return None
        if policy.max_attempts is not None and self.attempts >= policy.max_attempts:
            return None
        longest = min(
            policy.max_delay_seconds, policy.first_delay_seconds * 2.0 ** min(self.attempts - 1, 30)
        )
        delay = longest * (0.5 + 0.5 * self._draw())
        if error.retry_after_seconds is not None:
            delay = max(delay, error.retry_after_seconds * (1.0 + 0.1 * self._draw()))
        return delay if self._clock() + delay <= self._until else None
