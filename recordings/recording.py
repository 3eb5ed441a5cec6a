"""One audio track of an input, and one pass through it."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from dfd.errors import UserError
from dfd.recordings.decoder import (
    LEAST_SOURCE_RATE_HZ,
    MOST_SOURCE_RATE_HZ,
    Block,
    TrackDecoder,
    is_integer,
    open_container,
    output_rate,
)
from dfd.recordings.findings import Finding, FindingKind
from dfd.recordings.opened import Opened, open_input
from dfd.recordings.opus import native_rate
from dfd.recordings.promises import (
    estimated_seconds,
    is_short,
    promised_seconds,
    wav_shortfall,
)
from dfd.recordings.source import Input


def _joined(blocks: list[Block]) -> Block:
    return blocks[0] if len(blocks) == 1 else cast("Block", np.concatenate(blocks))


class Recording:
    """One audio track of an input, opened and checked.

    Attributes:
        path, name: the path as given, and the same in printable characters.
        track, track_count: number of the audio track, from 0, and of tracks.
        integer: whether blocks are int16; float32 otherwise.
        sample_rate_hz, channel_count: format of the blocks.
        seconds: the length stated in the header, or an estimate; None if unknown.
        again: whether it can be read more than once, which a pipe cannot.
        others_left: whether there are other tracks that nobody reads.
    """

    def __init__(self, found: Input, opened: Opened, track: int, others_left: bool = False) -> None:
        stream = opened.tracks[track]
        codec = stream.codec_context
        name = found.name
        if codec is None:
            raise UserError(f"{name} is in a codec that cannot be read here: convert it to WAV")
        rate, channels = codec.sample_rate or 0, codec.channels or 0
        if not rate or channels < 1:
            raise UserError(f"{name} holds no audio: name a recording with audio in it")
        if rate > MOST_SOURCE_RATE_HZ:
            raise UserError(f"{name} names a rate of {rate} Hz: it is damaged; export it again")
        if rate < LEAST_SOURCE_RATE_HZ:
            raise UserError(
                f"{name} names a rate of {rate} Hz, too low for speech: export it again at"
                f" {LEAST_SOURCE_RATE_HZ} Hz or more"
            )
        self.path, self.name = found.path, name
        self.track, self.track_count = track, len(opened.tracks)
        self.integer = is_integer(stream)
        self.sample_rate_hz = native_rate(stream) or output_rate(rate)
        self.channel_count = channels
        self.again = found.again
        self.others_left = others_left
        self._promised = promised_seconds(opened.container, stream, opened.head)
        guess = estimated_seconds(opened.container, stream)
        self.seconds = self._promised or opened.estimate or guess
        self._declared = (rate, channels)
        self._input = found
        self.size = found.size
        # a pipe cannot be opened twice, so the open one is read
        self._opened = None if found.again else opened

    def read(self, frames: int) -> Reading:
        """Begins a pass; all blocks but the last have `frames` frames.

        Raises:
            UserError: if it is a pipe and was read before, or the file is gone.
        """
        if self.again:
            opened = open_input(self._input)
        elif self._opened is None:
            raise UserError(f"{self.name} is a pipe, which can be read only once")
        else:
            opened, self._opened = self._opened, None
        return Reading(self, opened, max(1, frames))

    def decoder(self, container: Any, track: int) -> TrackDecoder:
        """Makes a decoder for one link."""
        return TrackDecoder(
            container,
            container.streams.audio[track],
            integer=self.integer,
            rate=self.sample_rate_hz,
            channels=self.channel_count,
            declared=self._declared,
        )

    @property
    def promised_seconds(self) -> float | None:
        """The length stated in the header."""
        return self._promised


class Reading:
    """One pass through a recording: an iterator of blocks, (frames, channels), in bounded memory.

    Attributes:
        findings: problems found in the input; complete once the iterator has ended.
    """

    def __init__(self, recording: Recording, opened: Opened, frames: int) -> None:
        self._recording = recording
        self._opened = opened
        self._frames = 0
        self.findings: list[Finding] = []
        self._links = 0
        self._bad = 0
        self._blocks = self._cut(frames)

    def __iter__(self) -> Iterator[Block]:
        return self

    def __next__(self) -> Block:
        return next(self._blocks)

    @property
    def seconds(self) -> float:
        """Duration read so far."""
        return self._frames / self._recording.sample_rate_hz

    def close(self) -> None:
        """Stops reading before the end."""
        self._opened.close()

    def _cut(self, frames: int) -> Iterator[Block]:
        """Yields blocks of equal length, whatever lengths are decoded."""
        name = self._recording.name
        waiting: list[Block] = []
        count = 0
        try:
            for block in self._decoded():
                if block.dtype == np.float32 and not np.isfinite(block).all():
                    raise UserError(f"{name} holds NaN or infinite samples: export it again")
                self._frames += len(block)
                waiting.append(block)
                count += len(block)
                if count < frames:
                    continue
                joined = _joined(waiting)
                whole = count - count % frames
                for at in range(0, whole, frames):
                    yield joined[at : at + frames]
                waiting, count = [joined[whole:]], count - whole
            if count:
                yield _joined(waiting)
            if not self._frames:
                raise UserError(self._nothing())
        except OSError as error:
            raise UserError(f"{name} cannot be read further: {error.strerror}") from None
        finally:
            self.close()

    def _nothing(self) -> str:
        name = self._recording.name
        if self._bad:
            said = "it is damaged; export it again"
            if not self._recording.again:
                said = "it is damaged, or no pipe can carry it (M4A): name the file itself"
            return f"{name} cannot be decoded: {said}"
        return f"{name} holds no audio: name a recording with audio in it"

    def _decoded(self) -> Iterator[Block]:
        opened, recording = self._opened, self._recording
        if recording.track_count > 1 and recording.others_left:
            count = recording.track_count
            self._report(FindingKind.LEFT, f"of {count} audio tracks only the first was read")
        for self._links in itertools.count(1):
            began = self.seconds
            decoder = recording.decoder(opened.container, recording.track)
            yield from decoder.blocks()
            self._judge(decoder, began)
            if opened.links is None:
                break
            if not opened.links.ended and self.seconds:
                self._report(
                    FindingKind.CUT, f"it breaks off at {self.seconds:.1f} s without an end mark"
                )
            if not self._next_link(opened):
                break
        self._weigh(opened)

    def _next_link(self, opened: Opened) -> bool:
        """Opens the next link that has the track; reports what cannot be read."""
        assert opened.links is not None
        while opened.links.next_link():
            opened.container.close()
            try:
                container = open_container(opened.links, self._recording.name)
            except UserError:
                self._report(
                    FindingKind.DAMAGED, f"what follows {self.seconds:.1f} s cannot be decoded"
                )
                continue
            opened.container = container
            tracks, wanted = opened.tracks, self._recording.track
            if wanted < len(tracks) and tracks[wanted].codec_context is not None:
                return True
            self._report(
                FindingKind.LEFT, f"the track is not in the part from {self.seconds:.1f} s"
            )
        return False

    def _judge(self, decoder: TrackDecoder, began: float) -> None:
        """Reports what one link's decoder found."""
        if decoder.bad_packets:
            self._bad += decoder.bad_packets
            many = "1 packet" if decoder.bad_packets == 1 else f"{decoder.bad_packets} packets"
            at = began + decoder.first_bad_seconds
            self._report(FindingKind.DAMAGED, f"{many} from {at:.1f} s on cannot be decoded")
        if decoder.missing_seconds:
            at, lost = began + decoder.first_hole_seconds, decoder.missing_seconds
            self._report(FindingKind.DAMAGED, f"{lost:.2f} s are missing, the first at {at:.1f} s")
        if decoder.changes:
            self._report(
                FindingKind.CHANGED,
                f"rate or channels change after {began:.1f} s and were converted to"
                f" {self._recording.sample_rate_hz} Hz, {self._recording.channel_count} channel(s)",
            )

    def _weigh(self, opened: Opened) -> None:
        """Compares what was read with the length in the header."""
        promised = self._recording.promised_seconds
        size = self._recording.size if opened.counted is None else opened.counted.count
        head = opened.head if opened.counted is None else opened.counted.head
        share = None if size is None else wav_shortfall(head, size)
        if share is not None and self.seconds:
            promised = self.seconds / share if share else None
        elif not is_short(promised, self.seconds) or self._links > 1:
            return
        stated = "more" if promised is None else f"{promised:.1f} s"
        self._report(
            FindingKind.CUT, f"the header promises {stated} but only {self.seconds:.1f} s are there"
        )

    def _report(self, kind: FindingKind, message: str) -> None:
        self.findings.append(Finding(kind, message))


def open_tracks(path: str | os.PathLike[str]) -> list[Recording]:
    """Opens every audio track of a file, a FIFO, or "-" for standard input.

    For a pipe only the first track is returned; its findings name what was not read.

    Raises:
        UserError: if it is missing, empty or holds no audio that can be read here.
    """
    return _open_tracks(path, only_first=False)


def open_recording(path: str | os.PathLike[str]) -> Recording:
    """Opens the first audio track; its findings say how many others were not read.

    Raises:
        UserError: as `open_tracks`.
    """
    return _open_tracks(path, only_first=True)[0]


def _open_tracks(path: str | os.PathLike[str], *, only_first: bool) -> list[Recording]:
    found = Input(path)
    opened = open_input(found)
    try:
        count = len(opened.tracks)
        if not count:
            raise UserError(f"{found.name} holds no audio: name a recording with audio in it")
        only_first = only_first or not found.again
        wanted = range(1 if only_first else count)
        recordings = [Recording(found, opened, track, only_first) for track in wanted]
        if found.again:  # an empty one is noticed now rather than later
            for recording in recordings:
                with contextlib.closing(recording.read(1)) as reading:
                    next(reading)
        return recordings
    except BaseException:
        opened.close()
        raise
    finally:
        if found.again:
            opened.close()
