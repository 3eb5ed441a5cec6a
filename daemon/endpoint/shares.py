"""How much of the daemon one caller may take: by token, and by peer."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from dfd.daemon.endpoint.address import host_of, is_loopback
from dfd.daemon.endpoint.auth import Token
from dfd.daemon.errors import StatusError
from dfd.daemon.options import ServeOptions

_DAY_SECONDS = 86_400


class Shares:
    """Counts what callers hold in this process; belongs to one event loop.

    Args:
        options: limits by peer, and what is told to those who come too late.
        clock: seconds since the epoch: minutes of a token are those of a day in UTC.
    """

    def __init__(self, options: ServeOptions, clock: Callable[[], float] = time.time) -> None:
        self._by_peer = options.streams_by_peer
        self._retry_seconds = options.retry_seconds
        self._clock = clock
        self._held: Counter[str] = Counter()
        self._spent: Counter[str] = Counter()
        self._day = 0

    @contextmanager
    def hold(self, peer: str, token: Token | None) -> Iterator[None]:
        """Holds a place of a peer and of a token.

        Args:
            peer: as gRPC names it.
            token: None where none is asked for.

        Raises:
            StatusError: with PEER_FULL, TOKEN_FULL or TOKEN_SPENT.
        """
        host = host_of(peer)
        limits = []
        if not is_loopback(host):
            limits.append((f"peer {host}", self._by_peer, "PEER_FULL", "this address"))
        if token is not None:
            self._check_minutes(token)
            if token.streams is not None:
                limits.append((f"token {token.name}", token.streams, "TOKEN_FULL", "this token"))
        for key, limit, reason, whose in limits:
            if self._held[key] >= limit:
                raise StatusError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    reason,
                    f"{whose} has {limit} streams already, as many as it may; end one first",
                    retry_seconds=self._retry_seconds,
                )
        for key, *_ in limits:
            self._held[key] += 1
        try:
            yield
        finally:
            for key, *_ in limits:
                self._held[key] -= 1
                if not self._held[key]:
                    del self._held[key]

    def spend(self, token: Token | None, audio_seconds: float) -> None:
        """Counts audio that was judged for a token."""
        if token is not None and token.minutes is not None:
            self._roll()
            self._spent[token.name] += math.ceil(audio_seconds)

    def _check_minutes(self, token: Token) -> None:
        self._roll()
        if token.minutes is not None and self._spent[token.name] >= 60.0 * token.minutes:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "TOKEN_SPENT",
                f"the {token.minutes:g} minutes a day of this token are spent; "
                "come back after midnight UTC",
                retry_seconds=_DAY_SECONDS - self._clock() % _DAY_SECONDS,
            )

    def _roll(self) -> None:
        day = int(self._clock() // _DAY_SECONDS)
        if day != self._day:
            self._day = day
            self._spent.clear()
