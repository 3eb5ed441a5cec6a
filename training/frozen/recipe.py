"""The recipes of reference system D, with the published settings as defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class SpectralOptions:
    """Frames of `fft_samples` every `hop_samples`; bands as librosa has them (Slaney's)."""

    fft_samples: int = 2048
    hop_samples: int = 512
    entropy_bands: int = 64
    cepstrum_bands: int = 128
    coefficients: int = 13

    def __post_init__(self) -> None:
        if not 0 < self.hop_samples <= self.fft_samples:
            raise ValueError("hop_samples must be from 1 to fft_samples")
        if not 0 < self.coefficients <= self.cepstrum_bands:
            raise ValueError("coefficients must be from 1 to cepstrum_bands")


@dataclass(frozen=True)
class ContrastiveOptions:
    """A linear projection to `size`, trained with a positive and a negative for each reference.

    The loss is `max(0, d(reference, positive) - d(reference, negative) + margin)` with
    Euclidean distances. The publication states no number of epochs: this one was fixed in
    advance, so that nothing is chosen by the figures that it is compared with.
    """

    size: int = 128
    margin: float = 1.0
    learning_rate: float = 1e-4
    epochs: int = 50
    batch: int = 128

    def __post_init__(self) -> None:
        for name in ("size", "margin", "learning_rate", "epochs", "batch"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")


@dataclass(frozen=True)
class FrozenRecipe:
    """Features of whole recordings, scaled, and logistic regression on them.

    `fit_on` is the split that is divided 1 - `held_out` to `held_out`, stratified by label: the
    larger part is fitted, with `folds`-fold cross-validation over `c_grid`, and the smaller one is
    the test, as in the publication. The published figures are for ASVspoof 2019's dev:
    `fit_on=dev`. At most `longest_seconds` of a recording are used; a batch has `batch_seconds` of
    audio.
    """

    name: str
    fit_on: Literal["train", "dev"] = "train"
    held_out: float = 0.2
    folds: int = 5
    c_grid: tuple[float, ...] = (0.01, 0.1, 1.0)
    longest_seconds: float = 30.0
    batch_seconds: float = 64.0
    spectral: SpectralOptions = field(default_factory=SpectralOptions)
    contrastive: ContrastiveOptions = field(default_factory=ContrastiveOptions)

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; it must be between 0 and 1")
        if self.folds < 2 or not self.c_grid or min(self.c_grid) <= 0:
            raise ValueError("folds must be 2 or more, and c_grid a list of numbers above 0")
        if self.longest_seconds < 0.1 or self.batch_seconds <= 0:
            raise ValueError("longest_seconds and batch_seconds must be above 0")


FROZEN_RECIPES = {name: FrozenRecipe(name) for name in ("frozen-logreg", "contrastive")}
