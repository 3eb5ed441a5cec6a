"""Compares frozen features in batches on all cores with one file at a time.

    python -m dfd.benchmarks.model.features --corpus DIR [--backbone ...] [--files 64] [--rounds 5]

Both decode the same recordings and give the same features (to 1e-3, which is checked); one file
at a time has all cores for the operators of each file. They are measured in turns, so that other
work on the machine affects both alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dfd import processors
from dfd.benchmarks.report import machine
from dfd.benchmarks.report.spread import Spread, measure_in_turns
from dfd.training.frozen.embedding import Embedder
from dfd.training.frozen.features import Features, extract
from dfd.training.frozen.recipe import FrozenRecipe
from dfd.training.frozen.spectral import spectral_features
from dfd.training.material.clips import Clips, scan
from dfd.training.material.splits import corpus_splits
from dfd.training.weights.pretrained import load_backbone

RECIPE = FrozenRecipe("frozen-logreg")


def one_at_a_time(clips: Clips, embedder: Embedder) -> Features:
    """Decodes a file, computes its features, and continues with the next."""
    spectral, embeddings = [], []
    for row in range(len(clips.recordings)):
        wave = clips.read(row)
        assert wave is not None
        batch, length = torch.from_numpy(wave)[None], torch.tensor([wave.size])
        with torch.inference_mode():
            spectral.append(spectral_features(batch, length, RECIPE.spectral)[0].numpy())
            embeddings.append(embedder(batch, length)[0].numpy())
    return Features(np.stack(spectral), np.stack(embeddings))


def measure(corpus: Path, backbone: str, files: int, rounds: int, workers: int) -> dict[str, Any]:
    """Measures files per second of both, and the median of their ratio in each round."""
    rows = list(corpus_splits(corpus).train)
    chosen = [rows[index] for index in np.linspace(0, len(rows) - 1, files).astype(int)]
    clips = scan(chosen, corpus, "corpus", workers=workers)
    embedder = Embedder(load_backbone(backbone))

    def batched() -> Features:
        return extract(clips, embedder, RECIPE, device=torch.device("cpu"), workers=workers)

    alone, together = one_at_a_time(clips, embedder), batched()
    difference = float(np.abs(alone.embeddings - together.embeddings).max())
    assert difference < 1e-3, f"embeddings differ by {difference}"
    times = measure_in_turns(
        {"one at a time": lambda: one_at_a_time(clips, embedder), "batched": batched}, rounds, 0.0
    )
    count = len(clips.recordings)
    pairs = zip(times["one at a time"], times["batched"], strict=True)
    return {
        "machine": machine.describe(),
        "backbone": backbone,
        "files": count,
        "workers": workers,
        "files_per_second": {
            name: Spread.of(values).inverse(count).report(1) for name, values in times.items()
        },
        "ratio": round(statistics.median(slow / fast for slow, fast in pairs), 2),
        "largest_difference": difference,
    }


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m dfd.benchmarks.model.features")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--backbone", default="bundled")
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=processors.usable())
    options = parser.parse_args()
    made = measure(options.corpus, options.backbone, options.files, options.rounds, options.workers)
    print(json.dumps(made, indent=1))


if __name__ == "__main__":
    main()
