"""Chained Ogg: links one after the other, each of which is a complete stream.

A decoder stops at the first link, or fails where a later one has another codec or rate, so each
is given to a decoder of its own. Only page headers are looked at (RFC 3533, section 6).
"""

from __future__ import annotations

from io import BufferedReader

MAGIC = b"OggS"
_HEADER_BYTES = 27
_BEGINS, _ENDS = 2, 4
_MOST_PAGE_BYTES = _HEADER_BYTES + 255 + 255 * 255


class OggLinks:
    """A chain of links, read link by link.

    Args:
        file: the physical stream from its beginning.

    Attributes:
        ended: whether each logical stream of the link that was read had its end mark.
        count: bytes read of all links.
    """

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._buffer = bytearray()
        self._over = False
        self._ready = bytearray()  # pages of this link that were not asked for yet
        self._boundary = True
        self._open: set[bytes] = set()
        self._headers_over = False
        self.ended = False
        self.count = 0

    def next_link(self) -> bool:
        """Moves to the next link; returns False if there is none."""
        while self.read(1 << 16):
            pass
        self._boundary = False
        self._open.clear()
        self._headers_over = False
        self.ended = False
        return bool(self._buffer) or self._fill(1)

    def read(self, size: int) -> bytes:
        """Returns bytes of this link; none at its end."""
        while not self._ready and not self._boundary and (page := self._page()):
            self._ready += page
        content = bytes(self._ready[:size])
        del self._ready[:size]
        return content

    def _page(self) -> bytes:
        """Returns the next page of this link, or bytes between pages; empty at the link's end."""
        if not self._fill(_HEADER_BYTES):
            return self._take(len(self._buffer))
        if self._buffer[:4] != MAGIC:
            at = self._buffer.find(MAGIC, 1)
            return self._take(at if at > 0 else max(1, len(self._buffer) - 3))
        flags, serial = self._buffer[5], bytes(self._buffer[14:18])
        if flags & _BEGINS and self._headers_over:
            self._boundary = True
            return b""
        segments = self._buffer[26]
        self._fill(_HEADER_BYTES + segments)
        size = _HEADER_BYTES + segments
        size += sum(self._buffer[_HEADER_BYTES:size])
        whole = self._fill(size)
        if flags & _BEGINS:
            self._open.add(serial)
        else:
            self._headers_over = True
        if flags & _ENDS and whole:
            self._open.discard(serial)
        self.ended = not self._open
        return self._take(size)

    def _take(self, size: int) -> bytes:
        content = bytes(self._buffer[:size])
        del self._buffer[:size]
        return content

    def _fill(self, size: int) -> bool:
        """Returns whether the buffer could be filled to this size."""
        while len(self._buffer) < size and not self._over:
            content = self._file.read1(max(size, _MOST_PAGE_BYTES))
            self.count += len(content)
            self._over = not content
            self._buffer += content
        return len(self._buffer) >= size
