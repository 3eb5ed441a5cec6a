"""Computes what overlapping windows have in common only once.

This is exact if a frame depends only on its own samples, that is, if the window is not normalised
as a whole and the extractor has no norm over time. Results are cached by a digest of the samples
that they came from, so that this module needs to know neither streams nor the scheduler.
"""

import hashlib
from collections import OrderedDict
from typing import Protocol

import torch
from torch import Tensor

from dfd.detector.hardware import has_flag
from dfd.detector.networks.frames import FrameExtractor, PlainFirstStep
from dfd.detector.networks.hops import HopScoringNetwork
from dfd.detector.networks.scoring import ScoringNetwork

_CACHE_BYTES = 512 << 20
# each live stream needs its last hop, whose sums take 500 bytes, or 10 KB behind Whisper's stages
_KEPT_HOPS = 32_768
_KEPT_BYTES = 32 << 20
# from 8 to 24 hops each costs the same; with 32 their maps leave a core's cache: a sixth slower. A
# batch of sixteen windows with one new hop each stays whole.
_HOPS_AT_ONCE = 16
# with these instructions SHA-256 takes half as long as BLAKE2b, without them three times
_HAS_SHA = has_flag("sha_ni")


class CompiledFrames(Protocol):
    """A compiled network that can be run in two steps, up to its frames and from there."""

    def __call__(self, windows: Tensor, lengths: Tensor | None) -> Tensor:
        """Returns spoof log-odds (B,) of windows (B, N)."""

    def features(self, windows: Tensor, lengths: Tensor | None) -> Tensor:
        """Returns frames (B, T, C) of windows (B, N)."""

    def judge(self, frames: Tensor, lengths: Tensor | None) -> Tensor:
        """Returns spoof log-odds (B,) of frames (B, T, C)."""


def shared_frames(network: ScoringNetwork, window_samples: int, hop_samples: int) -> int:
    """Returns how many frames a window has in common with the one before it; 0 if none.

    Args:
        network: a result of `frames.lay_out`.
        window_samples: length of a window.
        hop_samples: distance between the starts of consecutive windows.
    """
    if isinstance(network, HopScoringNetwork):  # it shares whole hops
        return 0
    extractor = network.feature_extractor
    if not isinstance(extractor, FrameExtractor):
        return 0
    shared = window_samples - hop_samples
    exact = not network.normalize and isinstance(extractor.first, PlainFirstStep)
    if not exact or hop_samples % extractor.stride or shared <= 0:
        return 0
    frames = shared
    for kernel, stride in zip(extractor.kernels, extractor.strides, strict=True):
        frames = (frames - kernel) // stride + 1 if frames >= kernel else 0
    return max(0, frames)


class SharedFrames:
    """Wraps a compiled network, and caches the last frames of each window for the next one.

    Args:
        compiled: the network, on the CPU.
        hop_samples: distance between the starts of consecutive windows.
        frames: result of `shared_frames`, above 0.
        stride: samples from one frame to the next.
        cache_bytes: size of the cache; the oldest frames are removed first.
    """

    def __init__(
        self,
        compiled: CompiledFrames,
        *,
        hop_samples: int,
        frames: int,
        stride: int,
        cache_bytes: int = _CACHE_BYTES,
    ) -> None:
        self._compiled = compiled
        self._hop_samples = hop_samples
        self._frames = frames
        self._stride = stride
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[bytes, Tensor] = OrderedDict()
        self._bytes = 0
        self.reused = 0

    def __call__(self, windows: Tensor, lengths: Tensor | None) -> Tensor:
        """Returns spoof log-odds (B,); short windows do not use the cache."""
        if lengths is not None:
            return self._compiled(windows, lengths)
        shared = windows.size(1) - self._hop_samples
        known = [self._cache.pop(_digest(window[:shared]), None) for window in windows]
        parts: dict[bool, Tensor] = {}
        rows = {
            hit: [row for row, frames in enumerate(known) if (frames is not None) == hit]
            for hit in (False, True)
        }
        if rows[False]:
            parts[False] = self._compiled.features(windows[rows[False]], None)
        if rows[True]:
            # the new part starts with the samples of the first frame that is not cached
            rest = windows[rows[True], self._frames * self._stride :]
            before = torch.stack([frames for frames in known if frames is not None])
            self._bytes -= before.nbytes
            self.reused += len(before)
            parts[True] = torch.cat([before, self._compiled.features(rest, None)], dim=1)
        some = next(iter(parts.values()))
        frames = some.new_empty([len(windows), *some.shape[1:]])
        for hit, part in parts.items():
            frames[rows[hit]] = part
        self._keep(windows, frames)
        return self._compiled.judge(frames, None)

    def _keep(self, windows: Tensor, frames: Tensor) -> None:
        for window, found in zip(windows, frames, strict=True):
            last = found[-self._frames :].clone()
            key = _digest(window[self._hop_samples :])
            old = self._cache.pop(key, None)
            self._bytes += last.nbytes - (0 if old is None else old.nbytes)
            self._cache[key] = last
        while self._bytes > self._cache_bytes:
            self._bytes -= self._cache.popitem(last=False)[1].nbytes


class CompiledHops(Protocol):
    """A compiled `HopScoringNetwork`."""

    def __call__(self, windows: Tensor, lengths: Tensor | None) -> Tensor:
        """Returns spoof log-odds (B,) of windows (B, N)."""

    def measure(self, hops: Tensor, counts: Tensor | None) -> Tensor:
        """Returns sums (M, S) of hops (M, hop)."""

    def join(self, sums: Tensor) -> Tensor:
        """Returns spoof log-odds (B,) of sums (B, H, S)."""


class SharedHops:
    """Wraps a compiled network that works hop by hop, and caches the sums of each hop.

    Args:
        compiled: the network, on the CPU.
        hop_samples: length of a hop.
        kept: number of hops in the cache; the least recently used are removed first.
        kept_bytes: size of the cache.
    """

    def __init__(
        self,
        compiled: CompiledHops,
        *,
        hop_samples: int,
        kept: int = _KEPT_HOPS,
        kept_bytes: int = _KEPT_BYTES,
    ) -> None:
        self._compiled = compiled
        self._hop_samples = hop_samples
        self._kept = kept
        self._kept_bytes = kept_bytes
        # rows of one table: sums kept one by one would be views that hold their whole batch
        self._table = torch.empty(0, 0)
        self._rows: OrderedDict[bytes, int] = OrderedDict()
        self.reused = 0

    def __call__(self, windows: Tensor, lengths: Tensor | None) -> Tensor:
        """Returns spoof log-odds (B,); incomplete hops do not use the cache."""
        batch, samples = windows.shape
        if samples % self._hop_samples:
            return self._compiled(windows, lengths)
        hops = windows.reshape(-1, self._hop_samples)
        keys = self._keys(hops, lengths)
        sums = self._found(hops, keys, lengths)
        return self._compiled.join(sums.view(batch, -1, sums.size(1)))

    def _keys(self, hops: Tensor, lengths: Tensor | None) -> list[bytes | None]:
        """Returns the cache keys of complete hops, and None for others."""
        if lengths is None:
            return [_digest(hop) for hop in hops]
        whole = self._counts(hops, lengths) == self._hop_samples
        return [
            _digest(hop) if all_there else None for hop, all_there in zip(hops, whole, strict=True)
        ]

    def _counts(self, hops: Tensor, lengths: Tensor) -> Tensor:
        """Returns the number of valid samples of each hop (M,)."""
        starts = torch.arange(len(hops) // len(lengths)) * self._hop_samples
        return (lengths.unsqueeze(1) - starts).clamp(0, self._hop_samples).view(-1)

    def _found(self, hops: Tensor, keys: list[bytes | None], lengths: Tensor | None) -> Tensor:
        """Returns the sums (M, S) of all hops, from the cache or computed and then cached."""
        missing: dict[bytes, int] = {}
        for row, key in enumerate(keys):
            if key is None:
                continue
            if key in self._rows:
                self._rows.move_to_end(key)
                self.reused += 1
            else:
                missing.setdefault(key, row)
        # places of the result, and what belongs there
        parts: list[tuple[list[int] | Tensor, Tensor]] = []
        if missing:
            unheard = torch.split(hops[list(missing.values())], _HOPS_AT_ONCE)
            made = torch.cat([self._compiled.measure(some, None) for some in unheard])
            number = {key: at for at, key in enumerate(missing)}
            places = [row for row, key in enumerate(keys) if key in number]
            once = len(places) == len(number)
            repeated = made if once else made[[number[key] for key in keys if key in number]]
            parts.append((places, repeated))
        known = {row: self._rows[key] for row, key in enumerate(keys) if key and key in self._rows}
        if known:
            parts.append((list(known), self._table[list(known.values())]))
        if lengths is not None:
            counts = self._counts(hops, lengths)
            rows = ((counts > 0) & (counts < self._hop_samples)).nonzero()[:, 0]
            if len(rows):
                parts.append((rows, self._compiled.measure(hops[rows], counts[rows])))
        # a hop without samples has no frames and adds nothing
        sums = parts[0][1].new_zeros(len(hops), parts[0][1].size(1))
        for where, part in parts:
            sums[where] = part
        if missing:
            self._keep(list(missing), made)
        return sums

    def _keep(self, keys: list[bytes], made: Tensor) -> None:
        """Keeps new sums in the place of those that were used least recently."""
        if not self._table.numel():
            row_bytes = made.size(1) * made.element_size()
            rows = max(1, min(self._kept, self._kept_bytes // row_bytes))
            # memory that was never written is not resident
            with torch.inference_mode(False):
                self._table = torch.empty(rows, made.size(1), dtype=made.dtype)
        room = len(self._table)
        keys, made = keys[-room:], made[-room:]
        for key in keys:
            full = len(self._rows) == room
            row = self._rows.popitem(last=False)[1] if full else len(self._rows)
            self._rows[key] = row
        self._table[[self._rows[key] for key in keys]] = made


def _digest(samples: Tensor) -> bytes:
    data = samples.contiguous().numpy().data
    if _HAS_SHA:
        return hashlib.sha256(data).digest()
    return hashlib.blake2b(data, digest_size=16).digest()
