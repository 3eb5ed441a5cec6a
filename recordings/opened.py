"""An open input: a file or a pipe, its container, and the links of a chained Ogg file."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

from dfd.errors import UserError
from dfd.recordings.decoder import open_container
from dfd.recordings.ogg import MAGIC, OggLinks
from dfd.recordings.source import Counted, Input

_HEAD_BYTES = 4096


@dataclass(eq=False)
class Opened:
    """An open input, positioned at its first or only link.

    Attributes:
        file, container: the input itself, and PyAV's container of the present link.
        head: the first bytes of the input.
        links: the links of an Ogg file; None for all others.
        counted: counts what is read of a pipe; None for what can be read again.
        estimate: length in seconds from the end of a file of one link; None if unknown.
    """

    file: BufferedReader
    head: bytes
    links: OggLinks | None
    counted: Counted | None
    container: Any
    estimate: float | None = None

    @property
    def tracks(self) -> list[Any]:
        """The audio tracks of the current link."""
        return list(self.container.streams.audio)

    def close(self) -> None:
        """Closes everything."""
        with contextlib.suppress(Exception):
            self.container.close()
        self.file.close()


def open_input(found: Input) -> Opened:
    """Opens an input at its first link.

    Raises:
        UserError: if it is missing, empty or cannot be read here.
    """
    file = found.open()
    head = file.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    links = counted = None
    try:
        if head[:4] == MAGIC:
            links = OggLinks(file)
            links.next_link()
            container = open_container(links, found.name)
            return Opened(file, head, links, None, container, _whole_ogg(found))
        if found.again:
            container = open_container(file, found.name)
        else:
            counted = Counted(file)
            container = open_container(counted, found.name)
        return Opened(file, head, links, counted, container)
    except BaseException:
        file.close()
        raise


def _whole_ogg(found: Input) -> float | None:
    """Returns the length of a single-link file from its last page's position."""
    if not found.again:
        return None
    with found.open() as file, contextlib.suppress(UserError):
        container = open_container(file, found.name)
        with contextlib.closing(container):
            return None if container.duration is None else float(container.duration / 1e6)
    return None
