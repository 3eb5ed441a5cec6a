"""Fits the classifier behind the first stages of Whisper's encoder, which stay frozen.

The stages hear every recording once, and so they hear its altered copies; what they give is kept
beside the corpus' cache. The classifier is the mean of several small ones with seeds of their own,
written out as one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from dfd.detector.networks.scoring import normalized
from dfd.detector.networks.whisper_stem import StemConfig, WhisperStem
from dfd.evaluation.corpus import Recording
from dfd.training.bundled.banks import AlteredOptions
from dfd.training.bundled.batches import Bank

BATCH = 16
Sums = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StemOptions:
    """How the classifier is fitted.

    `members` classifiers of `hidden` units are averaged. A share of `altered_share` of what they
    learn from are altered copies of recordings, of which each has `copies`. `weight` is the
    deviation of their log-odds on dev, against that of the other networks' mean.
    """

    stages: StemConfig = field(default_factory=StemConfig)
    hidden: int = 64
    members: int = 4
    copies: int = 1
    altered: AlteredOptions = field(default_factory=AlteredOptions)
    altered_share: float = 0.25
    steps: int = 1000
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    weight: float = 1.2


def with_stages(config: StemConfig, stages: Mapping[str, Tensor]) -> WhisperStem:
    """Returns a stem with these stages; its classifier is yet to be fitted."""
    stem = WhisperStem(config)
    stem.load_state_dict(dict(stages), strict=False)
    return stem.requires_grad_(False).eval()


def measure_bank(
    stem: WhisperStem,
    bank: Bank,
    file: Path,
    *,
    hop_samples: int,
    hops: int,
    tick: Callable[[], None],
) -> Sums:
    """Returns the stem's sums (N, hops, S) of the first hops of every recording of a bank.

    They are kept in `file`, and what was measured before is not measured again.
    """
    sums = stem.hidden.in_features + 2
    shape = (len(bank.lengths), hops, sums)
    progress = file.with_suffix(".json")
    done = int(json.loads(progress.read_text())) if progress.exists() and file.exists() else 0
    file.parent.mkdir(parents=True, exist_ok=True)
    made: np.memmap[Any, np.dtype[np.float32]] = np.memmap(
        file, dtype=np.float32, mode="r+" if done else "w+", shape=shape
    )
    for start in range(done, len(bank.lengths), BATCH):
        rows = slice(start, start + BATCH)
        samples = bank.samples[rows, : hops * hop_samples]
        waves = torch.from_numpy(samples.astype(np.float32) / 32768.0)
        missing = hops * hop_samples - waves.shape[1]
        parts = nn.functional.pad(waves, [0, missing]).view(-1, hop_samples)
        places = torch.arange(hops) * hop_samples
        lengths = torch.from_numpy(np.asarray(bank.lengths[rows]))
        counts = (lengths.unsqueeze(1) - places).clamp(0, hop_samples).view(-1)
        made[rows] = _measure(stem, parts, counts).view(-1, hops, sums).numpy()
        for _ in range(len(lengths)):
            tick()
        if (start // BATCH) % 20 == 19:
            made.flush()
            progress.write_text(json.dumps(start + len(lengths)))
    made.flush()
    progress.write_text(json.dumps(len(bank.lengths)))
    return made


def file_of(folder: Path, bank: str, stages: Mapping[str, Tensor]) -> Path:
    """Returns the file for the sums of a bank, which depends on the stages too."""
    digest = hashlib.sha256(bank.encode())
    for name in sorted(stages):
        digest.update(stages[name].numpy().tobytes())
    return folder / f"stem-{digest.hexdigest()[:16]}.f32"


def _measure(stem: WhisperStem, hops: Tensor, counts: Tensor) -> Tensor:
    """Returns sums (M, S) of hops; complete ones take no mask, as when they are served."""
    sums = torch.zeros(len(hops), stem.hidden.in_features + 2)
    whole = counts == hops.shape[1]
    with torch.inference_mode():
        if bool(whole.any()):
            sums[whole] = stem.measure(normalized(hops[whole], None), None)
        part = ~whole & (counts > 0)
        if bool(part.any()):
            waves = normalized(hops[part], counts[part])
            sums[part] = stem.measure(waves, counts[part])
    return sums


@dataclass(frozen=True)
class Heard:
    """Statistics (N, D) of windows, their labels (N,), and how likely each is drawn (N,)."""

    statistics: Tensor
    labels: Tensor
    chances: Tensor


def heard(stem: WhisperStem, sums: Sums, recordings: Sequence[Recording]) -> Heard:
    """Returns what the classifier learns from: what has no complete frame is left out."""
    total = torch.from_numpy(np.asarray(sums)).sum(1)
    usable = total[:, -1] > 0
    kept = [row for row, keep in zip(recordings, usable.tolist(), strict=True) if keep]
    labels = torch.tensor([float(row.label) for row in kept])
    return Heard(stem.statistics(total[usable]), labels, torch.tensor(_chances(kept)))


def fit_classifier(
    stages: Mapping[str, Tensor],
    original: Heard,
    altered: Sequence[Heard],
    options: StemOptions,
    seed: int,
    tick: Callable[[], None],
) -> WhisperStem:
    """Returns a stem whose classifier gives the mean log-odds of several small ones."""
    mean, deviation = original.statistics.mean(0), original.statistics.std(0) + 1e-4
    parts = [original, *altered]
    shares = [1.0]
    if altered:
        each = options.altered_share / len(altered)
        shares = [1 - options.altered_share, *[each] * len(altered)]
    x = torch.cat([(part.statistics - mean) / deviation for part in parts])
    y = torch.cat([part.labels for part in parts])
    chances = torch.cat([part.chances * share for part, share in zip(parts, shares, strict=True)])
    made = with_stages(replace(options.stages, hidden=options.hidden * options.members), stages)
    made.classifier.weight.zero_()
    made.classifier.bias.zero_()
    for member in range(options.members):
        first, last = _fit_member(x, y, chances, options, (seed, member), tick)
        units = slice(member * options.hidden, (member + 1) * options.hidden)
        weight = first.weight / deviation
        made.hidden.weight[units] = weight
        made.hidden.bias[units] = first.bias - weight @ mean
        # log-odds are the difference of two logits
        half = 0.5 / options.members
        sides = torch.tensor([-half, half])
        made.classifier.weight[:, units] = sides[:, None] * last.weight
        made.classifier.bias.add_(sides * last.bias)
    return made


def _fit_member(
    x: Tensor,
    y: Tensor,
    chances: Tensor,
    options: StemOptions,
    seed: tuple[int, int],
    tick: Callable[[], None],
) -> tuple[nn.Linear, nn.Linear]:
    """Fits one classifier on standardised statistics; returns its two layers."""
    draws = torch.Generator().manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(draws.initial_seed())
        first, last = nn.Linear(x.shape[1], options.hidden), nn.Linear(options.hidden, 1)
        model = nn.Sequential(
            nn.Dropout(options.dropout), first, nn.GELU(), nn.Dropout(options.dropout), last
        )
        rate = options.learning_rate
        optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=options.weight_decay)
        for step in range(options.steps):
            rows = torch.multinomial(chances, options.batch, True, generator=draws)
            loss = binary_cross_entropy_with_logits(model(x[rows])[:, 0], y[rows])
            for group in optimiser.param_groups:
                group["lr"] = rate * (1 - step / options.steps)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            tick()
    return first.requires_grad_(False), last.requires_grad_(False)


def _chances(recordings: Sequence[Recording]) -> list[float]:
    """Draws both labels alike, and sources in proportion to the square root of their size."""
    sizes = Counter((row.label, row.source) for row in recordings)
    roots = {0: 0.0, 1: 0.0}
    for (label, _), size in sizes.items():
        roots[label] += size**0.5
    return [sizes[row.label, row.source] ** -0.5 / roots[row.label] for row in recordings]
