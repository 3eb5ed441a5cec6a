"""Audio between a source and the server: bounded, and exact about what was lost."""

from collections import deque
from dataclasses import dataclass

from dfd.clients.audio import AudioFormat


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole frames and their position on the time line."""

    start: int
    frames: int
    content: bytes

    @property
    def end(self) -> int:
        """The position after its last frame."""
        return self.start + self.frames


class AudioBuffer:
    """Two queues on one time line: audio sent but not yet scored, and audio not yet sent.

    Each holds at most `seconds` of audio (one piece always fits), the first one also as much as
    `keep` asks for. Sent audio is forgotten once it is scored or exceeds that limit; when the
    connection is lost, the rest goes back to the front. Unsent audio beyond the limit is dropped,
    oldest first, and counted if the source is live; a source that is not live checks `full` and
    waits. Positions are frames of the declared rate.

    Attributes:
        position: position of the next audio that has no offset of its own.
        dropped: total number of frames dropped unsent.
        finished: whether no more audio will come.
    """

    def __init__(self, audio_format: AudioFormat, seconds: float, *, live: bool) -> None:
        self._format = audio_format
        self._bound = max(1, audio_format.frames(seconds))
        self._live = live
        self._kept = 0
        self._sent: deque[Piece] = deque()
        self._unsent: deque[Piece] = deque()
        self._sent_frames = 0
        self._unsent_frames = 0
        self.position = 0
        self.dropped = 0
        self.finished = False

    def __len__(self) -> int:
        """Returns the number of frames not yet sent."""
        return self._unsent_frames

    @property
    def full(self) -> bool:
        """Whether more audio would be dropped now, or should wait."""
        return self._unsent_frames >= self._bound

    @property
    def start(self) -> int:
        """Position of the next piece to send."""
        return self._unsent[0].start if self._unsent else self.position

    def append(self, content: bytes, offset: int | None = None) -> None:
        """Adds audio from the source.

        Raises:
            ValueError: on a partial frame, or an offset before the end of earlier audio.
        """
        frames, rest = divmod(len(content), self._format.bytes_per_frame)
        if rest:
            raise ValueError(
                f"{len(content)} bytes are not a whole number of frames of"
                f" {self._format.bytes_per_frame} bytes"
            )
        start = self.position if offset is None else offset
        if start < self.position:
            raise ValueError(f"offset {start} lies before frame {self.position}, already sent")
        self.position = start + frames
        if not frames:
            return
        self._unsent.append(Piece(start, frames, content))
        self._unsent_frames += frames
        if self._live:
            self._drop_oldest()

    def take(self, max_bytes: int) -> Piece | None:
        """Returns the next piece to send, of at most this many bytes; None if there is none."""
        if not self._unsent:
            return None
        piece = self._unsent.popleft()
        most = max(1, max_bytes // self._format.bytes_per_frame)
        if piece.frames > most:
            cut = most * self._format.bytes_per_frame
            rest = Piece(piece.start + most, piece.frames - most, piece.content[cut:])
            self._unsent.appendleft(rest)
            piece = Piece(piece.start, most, piece.content[:cut])
        self._unsent_frames -= piece.frames
        self._sent.append(piece)
        self._sent_frames += piece.frames
        while self._sent_frames > max(self._bound, self._kept) and len(self._sent) > 1:
            self._sent_frames -= self._sent.popleft().frames
        return piece

    def keep(self, seconds: float) -> None:
        """Keeps at least this much sent audio, which a server needs again to resume the stream."""
        self._kept = max(self._kept, self._format.frames(seconds))

    def skip_to(self, frame: int) -> None:
        """Forgets audio not yet sent that lies before a frame: it was judged."""
        while self._unsent and self._unsent[0].start < frame:
            piece = self._unsent.popleft()
            self._unsent_frames -= piece.frames
            left = piece.end - frame
            if left > 0:
                content = piece.content[-left * self._format.bytes_per_frame :]
                self._unsent.appendleft(Piece(frame, left, content))
                self._unsent_frames += left

    def acknowledge(self, frame: int) -> None:
        """Forgets sent audio that ends at or before a frame, since it has been scored."""
        while self._sent and self._sent[0].end <= frame:
            self._sent_frames -= self._sent.popleft().frames

    def rewind(self) -> None:
        """Puts sent audio that was not scored back to the front, to be sent again."""
        self._unsent.extendleft(reversed(self._sent))
        self._unsent_frames += self._sent_frames
        self._sent.clear()
        self._sent_frames = 0
        if self._live:
            self._drop_oldest()

    def forget(self) -> None:
        """Forgets all audio, as the stream is over; what was counted stays."""
        self._sent.clear()
        self._unsent.clear()

    def _drop_oldest(self) -> None:
        while self._unsent_frames > self._bound + self._kept and len(self._unsent) > 1:
            frames = self._unsent.popleft().frames
            self._unsent_frames -= frames
            self.dropped += frames
