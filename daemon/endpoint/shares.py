"""How much of the daemon one caller may use, by token and by peer."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import grpc

from dfd.daemon.endpoint.address import host_of, is_loopback
from dfd.daemon.endpoint.auth import Token
from dfd.daemon.endpoint.ledger import Ledger, OwnLedger
from dfd.daemon.errors import StatusError
from dfd.daemon.options import ServeOptions

_DAY_SECONDS = 86_400


class Shares:
    """Counts what callers use; belongs to one event loop.

    Args:
        options: limits by peer, and when refused callers may retry.
        ledger: where usage is counted; None means in this process alone.
        clock: seconds since the epoch; a token's minutes are counted per day in UTC.
    """

    def __init__(
        self,
        options: ServeOptions,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._by_peer = options.streams_by_peer
        self._retry_seconds = options.retry_seconds
        self._ledger = OwnLedger() if ledger is None else ledger
        self._clock = clock

    @contextmanager
    def hold(self, peer: str, token: Token | None) -> Iterator[None]:
        """Holds a slot of a peer and of a token.

        Args:
            peer: the peer as gRPC names it.
            token: None if none is required.

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
        with ExitStack() as held:
            for key, limit, reason, whose in limits:
                if not self._ledger.take(key, limit):
                    raise StatusError(
                        grpc.StatusCode.RESOURCE_EXHAUSTED,
                        reason,
                        f"{whose} already has {limit} streams, its limit; end one first",
                        retry_seconds=self._retry_seconds,
                    )
                held.callback(self._ledger.leave, key)
            yield

    def spend(self, token: Token | None, audio_seconds: float) -> None:
        """Counts audio that was scored for a token."""
        if token is not None and token.minutes is not None:
            self._ledger.spend(f"token {token.name}", math.ceil(audio_seconds), self._day)

    def _check_minutes(self, token: Token) -> None:
        if token.minutes is None:
            return
        if self._ledger.spent(f"token {token.name}", self._day) >= 60.0 * token.minutes:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "TOKEN_SPENT",
                f"this token has used its {token.minutes:g} minutes for today; "
                "try again after midnight UTC",
                retry_seconds=_DAY_SECONDS - self._clock() % _DAY_SECONDS,
            )

    @property
    def _day(self) -> int:
        return int(self._clock() // _DAY_SECONDS)
