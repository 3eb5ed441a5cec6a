"""Which parts of a track were lost."""

from collections import deque


class GapMap:
    """Gaps as half-open ranges of absolute positions, ascending, forgotten when old.

    Attributes:
        total_samples: total number of samples lost.
    """

    def __init__(self, total_samples: int = 0) -> None:
        self._gaps: deque[tuple[int, int]] = deque()
        self.total_samples = total_samples

    def add(self, start: int, end: int) -> None:
        """Appends a gap; one that touches the last is merged with it."""
        self.total_samples += end - start
        if self._gaps and self._gaps[-1][1] == start:
            start = self._gaps.pop()[0]
        self._gaps.append((start, end))

    def before(self, position: int) -> int:
        """Returns the lost samples before a remembered position."""
        return self.total_samples - sum(
            max(0, stop - max(begin, position)) for begin, stop in self._gaps
        )

    def reach(self, position: int) -> bool:
        """Returns whether anything is lost after a position."""
        return bool(self._gaps) and self._gaps[-1][1] > position

    def overlap(self, start: int, end: int) -> int:
        """Returns the lost samples in [start, end)."""
        return sum(max(0, min(end, stop) - max(start, begin)) for begin, stop in self._gaps)

    def forget(self, before: int) -> None:
        """Drops the gaps that end at or before a position."""
        while self._gaps and self._gaps[0][1] <= before:
            self._gaps.popleft()
