"""Server transactions (RFC 3261, section 17.2): one response, however often a request arrives.

Without a clock: times are passed in, and `poll` is called now and then.
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
# Timers H and J: how long to wait for an ACK, and to recognise a repeated request.
LIFE_SECONDS = 64 * T1_SECONDS
MAX_TRANSACTIONS = 20_000

Key = tuple[str, str, str, int, str]
Send = Callable[[bytes], None]


def key_of(request: Request, method: str | None = None) -> Key:
    """Returns the key that a request shares with its repetitions; an ACK has that of its INVITE.

    Call-ID and CSeq are part of it, for agents whose branch is not unique (RFC 2543).
    """
    via = top_via(request)
    sent_by = f"{via.host}:{via.port or ''}"
    name = method or ("INVITE" if request.method == "ACK" else request.method)
    return via.branch, sent_by, request.call_id, request.cseq.sequence, name


@dataclass(eq=False, slots=True)
class Transaction:
    """A request that was answered.

    Attributes:
        method: method of the request.
        code: status code of the response.
        data: the response, for retransmission.
        ended: whether nothing more is sent.
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
        """Whether there is no room for more."""
        return len(self._all) >= MAX_TRANSACTIONS

    def find(self, key: Key) -> Transaction | None:
        """Finds the transaction that a request belongs to."""
        return self._all.get(key)

    def answer(
        self, key: Key, code: int, data: bytes, send: Send, now: float, *, reliable: bool
    ) -> Transaction:
        """Sends a request's final response, repeatedly until it is known to have arrived.

        Args:
            key: key of the request.
            code: status code.
            data: the response as bytes.
            send: sends bytes back to the sender.
            now: time on a monotonic clock, in seconds.
            reliable: whether the transport is reliable.
        """
        one = Transaction(key, key[4], code, data, send, now)
        self._all[key] = one
        send(data)
        # a 200 to an INVITE may cross unreliable hops behind proxies: repeat it on any transport
        again = one.method == "INVITE" and (code < 300 or not reliable)
        self._push(now + (one.interval if again else LIFE_SECONDS), one)
        return one

    def repeat(self, one: Transaction) -> None:
        """Answers a repeated request."""
        one.send(one.data)

    def acknowledge(self, one: Transaction) -> None:
        """Notes that the response arrived, so that it is not repeated."""
        one.ended = True

    def poll(self, now: float) -> list[Transaction]:
        """Sends what is due; returns accepted INVITEs whose ACK never arrived."""
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
