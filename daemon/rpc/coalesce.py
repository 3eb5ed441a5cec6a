"""Joins small chunks before they reach the core, without holding audio for long."""

from collections.abc import Iterator, Sequence

Chunk = tuple[bytes, int | None]


class Coalescer:
    """Joins consecutive chunks until they are worth a call.

    Args:
        bytes_per_frame: frame size of the declared format.
        target_bytes: a chunk of this size is passed on at once.

    Attributes:
        target_bytes: may be changed at any time.
    """

    def __init__(self, bytes_per_frame: int, target_bytes: int) -> None:
        self.target_bytes = target_bytes
        self._bytes_per_frame = bytes_per_frame
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._position = 0

    @property
    def holding(self) -> bool:
        """Whether some audio is being held."""
        return bool(self._held)

    def push(self, content: bytes, sample_offset: int | None) -> Sequence[Chunk]:
        """Takes a chunk and returns those that are due, in order.

        A chunk that does not follow the last one, or contains a partial frame, is passed on at once
        by itself, for the core to decide.
        """
        frames, rest = divmod(len(content), self._bytes_per_frame)
        if rest or (sample_offset is not None and sample_offset != self._position):
            if sample_offset is not None:
                self._position = sample_offset
            self._position += frames
            return *self.flush(), (content, sample_offset)
        self._position += frames
        if content:
            self._held.append(content)
            self._held_bytes += len(content)
        return self.flush() if self._held_bytes >= self.target_bytes else ()

    def flush(self) -> Sequence[Chunk]:
        """Returns what was held."""
        if not self._held:
            return ()
        held, self._held, self._held_bytes = self._held, [], 0
        return ((held[0] if len(held) == 1 else b"".join(held), None),)


def slices(content: bytes, slice_bytes: int, bytes_per_frame: int) -> Iterator[bytes]:
    """Cuts a large chunk into pieces of whole frames; one with a partial frame is not cut."""
    if len(content) <= slice_bytes or len(content) % bytes_per_frame:
        yield content
        return
    step = max(bytes_per_frame, slice_bytes - slice_bytes % bytes_per_frame)
    for start in range(0, len(content), step):
        yield content[start : start + step]
