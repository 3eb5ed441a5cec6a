"""Very small chunks put together before they reach the core; no audio is held for long."""

from collections.abc import Iterator

Chunk = tuple[bytes, int | None]


class Coalescer:
    """Joins chunks that follow one another until they are worth a call.

    Args:
        bytes_per_frame: of the declared format.
        target_bytes: a chunk of this size goes on at once.
    """

    def __init__(self, bytes_per_frame: int, target_bytes: int) -> None:
        self._bytes_per_frame = bytes_per_frame
        self._target_bytes = target_bytes
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._position = 0

    @property
    def holding(self) -> bool:
        """Whether some audio waits for more."""
        return bool(self._held)

    def push(self, content: bytes, sample_offset: int | None) -> Iterator[Chunk]:
        """Takes a chunk and gives those that are due, in order.

        A chunk that does not follow the last one, or is not whole, goes on at once and by
        itself, for the core to judge.
        """
        frames, rest = divmod(len(content), self._bytes_per_frame)
        placed = sample_offset is not None and sample_offset != self._position
        if placed or rest:
            yield from self.flush()
            if sample_offset is not None:
                self._position = sample_offset
            self._position += frames
            yield content, sample_offset
            return
        self._position += frames
        if content:
            self._held.append(content)
            self._held_bytes += len(content)
        if self._held_bytes >= self._target_bytes:
            yield from self.flush()

    def flush(self) -> Iterator[Chunk]:
        """Gives what was held."""
        if self._held:
            held, self._held, self._held_bytes = self._held, [], 0
            yield held[0] if len(held) == 1 else b"".join(held), None


def slices(content: bytes, slice_bytes: int, bytes_per_frame: int) -> Iterator[bytes]:
    """Cuts a large chunk into pieces of whole frames; one that is not whole stays in one."""
    if len(content) <= slice_bytes or len(content) % bytes_per_frame:
        yield content
        return
    step = max(bytes_per_frame, slice_bytes - slice_bytes % bytes_per_frame)
    for start in range(0, len(content), step):
        yield content[start : start + step]
