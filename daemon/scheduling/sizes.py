"""How many windows one forward pass takes, learnt from the time that earlier ones took."""

# A larger bucket is used if at least this part of it is filled.
_WORTH_PADDING = 0.75
# share that a forward pass may take of the deadline of the window due first
_PASS_SHARE = 0.25
# weight of the latest pass in the estimated time of one window
_SMOOTHING = 0.2


class BatchSizes:
    """Chooses batch sizes.

    Args:
        buckets: the sizes that are warm, ascending.

    Attributes:
        seconds_each: time of one window in the latest passes; 0 if there was none.
    """

    def __init__(self, buckets: tuple[int, ...]) -> None:
        self.buckets = buckets
        self.seconds_each = 0.0

    def took(self, seconds: float, windows: int) -> None:
        """Notes how long a pass took."""
        known = self.seconds_each or seconds / windows
        self.seconds_each = known + _SMOOTHING * (seconds / windows - known)

    def choose(self, waiting: int, allowance: float) -> int:
        """Returns the size to run, which leaves most of a window's deadline for waiting.

        Args:
            waiting: number of windows that wait.
            allowance: seconds from arrival to due time of the window due first.
        """
        size = choose_bucket(waiting, self.buckets)
        longest = _PASS_SHARE * allowance
        smaller = [b for b in self.buckets if b * self.seconds_each <= longest]
        return min(size, max(smaller, default=self.buckets[0]))


def choose_bucket(waiting: int, buckets: tuple[int, ...]) -> int:
    """Returns the batch size to run for a number of waiting windows.

    Only warmed sizes are ever run. A batch is padded to the next size if that is nearly filled;
    otherwise the largest size that can be filled is used, since on most devices an empty row
    costs as much as a full one.
    """
    filled = [size for size in buckets if size <= waiting]
    for size in buckets:
        if size > waiting and (not filled or waiting >= _WORTH_PADDING * size):
            return size
    return filled[-1]
