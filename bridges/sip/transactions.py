"""Server transactions (RFC 3261, section 17.2): one answer, however often a request comes.

Without a clock: times are given, and `poll` is asked now and then.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from sipmessage import Request

from dfd.bridges.sip.messages import top_via

T1_SECONDS = 0.5
T2_SECONDS = 4.0
# Timers H and J: how long an ACK is waited for, and a repeated request is known again.
LIFE_SECONDS = 64 * T1_SECONDS
MAX_TRANSACTIONS = 20_000

Key = tuple[str, str, str, int, str]
Send = Callable[[bytes], None]


def key_of(request: Request, method: str | None = None) -> Key:
    """What a request and its repetitions have in common; an ACK's is that of its INVITE.

    Call-ID and CSeq are part of it, for agents whose branch names nothing (RFC 2543).
    """
    via = top_via(request)
    sent_by = f"{via.host}:{via.port or ''}"
    name = method or ("INVITE" if request.method == "ACK" else request.method)
    return via.branch, sent_by, request.call_id, request.cseq.sequence, name


@dataclass(eq=False, slots=True)
class Transaction:
    """A request that was answered.

    Attributes:
        method: of the request.
        code: of the answer.
        data: the answer, as it is sent again.
        ended: nothing more is sent.
    """

    key: Key
    method: str
    code: int
    data: bytes
    send: Send
    began: float
    interval: float = T1_SECONDS
    ended: bool = False


class Transactions:
    """All transactions of one agent."""

    def __init__(self) -> None:
        self._all: dict[Key, Transaction] = {}
        self._due: list[tuple[float, int, Transaction]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._all)

    @property
    def full(self) -> bool:
        """Whether no more can be held."""
        return len(self._all) >= MAX_TRANSACTIONS

    def find(self, key: Key) -> Transaction | None:
        """The transaction that a request belongs to."""
        return self._all.get(key)

    def answer(
        self, key: Key, code: int, data: bytes, send: Send, now: float, *, reliable: bool
    ) -> Transaction:
        """Sends a request's final answer, and again until it is known to have come.

        Args:
            key: the request's.
            code: the status.
            data: the answer as bytes.
            send: sends bytes to where the request came from.
            now: steady seconds.
            reliable: whether that way loses nothing.
        """
        one = Transaction(key, key[4], code, data, send, now)
        self._all[key] = one
        send(data)
        # the answer to an INVITE that is accepted crosses proxies: again, whatever this way is
        again = one.method == "INVITE" and (code < 300 or not reliable)
        self._push(now + (one.interval if again else LIFE_SECONDS), one)
        return one

    def repeat(self, one: Transaction) -> None:
        """Answers a request that came again."""
        one.send(one.data)

    def acknowledge(self, one: Transaction) -> None:
        """The answer has come: it is not sent again by itself."""
        one.ended = True

    def poll(self, now: float) -> list[Transaction]:
        """Sends what is due; gives accepted INVITEs whose ACK never came."""
        lost: list[Transaction] = []
        while self._due and self._due[0][0] <= now:
            _, _, one = heapq.heappop(self._due)
            over = one.began + LIFE_SECONDS
            if now >= over:
                self._all.pop(one.key, None)
                if one.method == "INVITE" and one.code < 300 and not one.ended:
                    lost.append(one)
            elif one.ended or one.method != "INVITE":
                self._push(over, one)
            else:
                one.send(one.data)
                one.interval = min(2 * one.interval, T2_SECONDS)
                self._push(min(now + one.interval, over), one)
        return lost

    def _push(self, when: float, one: Transaction) -> None:
        heapq.heappush(self._due, (when, next(self._order), one))
