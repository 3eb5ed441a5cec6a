"""The recordings of a run with their features: those fitted on, those held out, and dev."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dfd.training.frozen.embedding import Embedder
from dfd.training.frozen.features import Features, extract
from dfd.training.frozen.logreg import split_rows
from dfd.training.frozen.recipe import FrozenRecipe
from dfd.training.material.clips import Clips
from dfd.training.material.splits import require_both
from dfd.training.run.options import RunOptions
from dfd.training.run.progress import Talk
from dfd.training.weights.pretrained import Backbone

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Recordings that something is measured on: features (N, ...) and labels (N,)."""

    clips: Clips
    features: Features
    labels: IntArray


@dataclass(frozen=True)
class Parts:
    """`fitted`, `held_out` from the same split, and `dev`; `dev` is None if they are from dev."""

    fitted: Part
    held_out: Part
    dev: Part | None

    @property
    def judged(self) -> dict[str, Part]:
        """The parts that figures are measured on, by name."""
        parts = {"held_out": self.held_out}
        return parts if self.dev is None else {**parts, "dev": self.dev}

    @property
    def calibrating(self) -> Part:
        """The part to calibrate on: dev, or the one held out of it."""
        return self.held_out if self.dev is None else self.dev


def make_parts(
    recipe: FrozenRecipe,
    backbone: Backbone,
    train: Clips,
    dev: Clips,
    options: RunOptions,
    talk: Talk,
) -> Parts:
    """Extracts the features of the splits, and draws the recordings to hold out.

    Raises:
        UserError: if a split lacks usable recordings of either kind.
    """
    embedder = Embedder(backbone)
    whole: dict[str, Part] = {}
    wanted = {"train": train, "dev": dev} if recipe.fit_on == "train" else {"dev": dev}
    for split, clips in wanted.items():
        with talk.bar(f"features of {split}", len(clips.recordings)) as tick:
            features = extract(
                clips,
                embedder,
                recipe,
                device=options.device,
                workers=options.workers,
                folder=options.cache,
                identity=backbone.sha256,
                progress=tick,
            )
        usable = np.flatnonzero(features.usable)
        require_both([clips.recordings[row] for row in usable], f"{split}, decoded")
        whole[split] = _rows(Part(clips, features, clips.labels), usable)
    embedder.release()
    source = whole[recipe.fit_on]
    fitted, held_out = split_rows(source.labels, recipe.held_out, options.seed)
    other = whole["dev"] if recipe.fit_on == "train" else None
    return Parts(_rows(source, fitted), _rows(source, held_out), other)


def _rows(part: Part, rows: IntArray) -> Part:
    clips = part.clips
    return Part(
        Clips([clips.recordings[row] for row in rows], clips.root, clips.lengths[rows]),
        Features(part.features.spectral[rows], part.features.embeddings[rows]),
        part.labels[rows],
    )
