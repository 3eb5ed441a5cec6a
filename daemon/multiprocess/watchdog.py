"""Kills processes that hang, so that they are replaced."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from dfd.daemon.logs import log

# Number of requests in the time that a process has to answer. Requests are counted rather than
# time, so that nothing is killed because the machine slept.
_QUESTIONS = 5


class Watched(Protocol):
    """A process that is asked whether it is alive.

    Attributes:
        unanswered: requests since it last answered.
    """

    unanswered: int

    @property
    def name(self) -> str:
        """Its name in the log."""

    def ask(self) -> None:
        """Sends a request; the handler of the answer sets `unanswered` to 0."""

    def kill(self) -> None:
        """Kills it."""


async def keep_watch(processes: Callable[[], Iterable[Watched]], seconds: float) -> None:
    """Asks the serving processes regularly, and kills those that do not answer in time."""
    while True:
        await asyncio.sleep(seconds / _QUESTIONS)
        for one in processes():
            if one.unanswered >= _QUESTIONS:
                log(logging.ERROR, "process hangs, killed", process=one.name)
                one.kill()
            else:
                one.unanswered += 1
                one.ask()
