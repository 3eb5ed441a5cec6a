"""Ends processes that are there and do nothing: their places are taken by new ones."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from dfd.daemon.logs import log

# Asked this often in the time that a process has; counted by questions and not by the clock,
# so that a machine that slept ends nothing.
_QUESTIONS = 5


class Watched(Protocol):
    """A process that is asked whether it is there.

    Attributes:
        unanswered: questions since it was last heard.
    """

    unanswered: int

    @property
    def name(self) -> str:
        """As the log calls it."""

    def ask(self) -> None:
        """Asks; whoever hears the answer sets `unanswered` to 0."""

    def kill(self) -> None:
        """Ends it by force."""


async def keep_watch(processes: Callable[[], Iterable[Watched]], seconds: float) -> None:
    """Asks the processes that have begun to serve, and ends those that do not answer in time."""
    while True:
        await asyncio.sleep(seconds / _QUESTIONS)
        for one in processes():
            if one.unanswered >= _QUESTIONS:
                log(logging.ERROR, "process hangs, killed", process=one.name)
                one.kill()
            else:
                one.unanswered += 1
                one.ask()
