"""Where speech is on a track: frame flags with hangover, over the last seconds."""

import numpy as np


class SpeechProfile:
    """Frame-wise speech of the last `capacity_frames`, summed over any range of samples.

    Attributes:
        active: whether there is speech now, including hangover.
        total_samples: speech since the start, including hangover.
    """

    def __init__(self, frame_samples: int, hangover_frames: int, capacity_frames: int) -> None:
        self._frame_samples = frame_samples
        self._hangover_frames = hangover_frames
        self._flags = np.zeros(capacity_frames, np.int64)
        self._frames = 0
        self._hangover_left = 0
        self._counted_until = 0
        self.active = False
        self.total_samples = 0

    def restore(self, frames: int, total_samples: int, counted_until: int) -> None:
        """Continues at an absolute frame; speech before `counted_until` is already in the total."""
        self.jump(frames)
        self.total_samples, self._counted_until = total_samples, counted_until

    @property
    def end(self) -> int:
        """Absolute position after the last appended frame."""
        return self._frames * self._frame_samples

    def append(self, *, speech: bool) -> bool:
        """Appends the next frame; returns whether activity began or ended with it."""
        if speech:
            self._hangover_left = self._hangover_frames
        elif self._hangover_left:
            self._hangover_left -= 1
            speech = True
        self._flags[self._frames % len(self._flags)] = speech
        self._frames += 1
        if speech:
            fresh = self.end - self._counted_until
            self.total_samples += max(0, min(self._frame_samples, fresh))
        changed = speech is not self.active
        self.active = speech
        return changed

    def cut(self) -> None:
        """Ends the hangover, since a gap follows."""
        self._hangover_left = 0

    def jump(self, frames: int) -> None:
        """Continues at an absolute frame after a gap longer than the capacity."""
        self._flags.fill(0)
        self._frames = frames
        self.active = False
        self.cut()

    def speech_samples(self, start: int, end: int) -> int:
        """Returns the speech in [start, end), whose oldest frame must still be held."""
        size = self._frame_samples
        first, last = start // size, min((end - 1) // size, self._frames - 1)
        if last < first:
            return 0
        indices = np.arange(first, last + 1)
        flags = self._flags[indices % len(self._flags)]
        total = int(flags.sum()) * size
        if flags[0]:
            total -= start - first * size
        if flags[-1] and (last + 1) * size > end:
            total -= (last + 1) * size - end
        return total
