"""A view that redraws itself in place on a terminal, and prints lines elsewhere."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Self

from rich.live import Live

from dfd.clients.display.still import still


class InPlaceView:
    """Shows its picture while it is entered.

    Args:
        live: the picture; None if only lines are printed.
    """

    def __init__(self, live: Live | None) -> None:
        self._live = live
        self._left = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._left.enter_context(still())
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
        self._left.close()
