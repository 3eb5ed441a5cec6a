"""The recipes of the reference systems A, B and C, with the published settings as defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Part = Literal["extractor", "projection", "positions", "encoder-norm", "mask-embedding"]


@dataclass(frozen=True)
class Stage:
    """A part of the training with its own optimiser.

    It trains the head, the last `top_layers` transformer layers and the named `parts`. A step
    takes `batch` clips `accumulate` times. `warm_up` is a share of all steps. A `gradient_clip` of
    0 means none. `decay` says whether biases and norms decay too. The model is evaluated every
    `evaluate_every_steps` steps, or after each epoch if that is 0; after `patience` evaluations
    without an improvement the stage ends (0: never). The `precision` `auto` means fp16 on a GPU,
    and bf16 on a CPU that computes it fast.
    """

    name: str
    epochs: int
    batch: int
    learning_rate: float
    top_layers: int = 0
    parts: tuple[Part, ...] = ()
    accumulate: int = 1
    weight_decay: float = 0.01
    decay: Literal["all", "matrices"] = "all"
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warm_up: float = 0.0
    gradient_clip: float = 0.0
    patience: int = 0
    evaluate_every_steps: int = 0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"

    def __post_init__(self) -> None:
        _at_least(1, epochs=self.epochs, batch=self.batch, accumulate=self.accumulate)
        _at_least(
            0,
            top_layers=self.top_layers,
            weight_decay=self.weight_decay,
            gradient_clip=self.gradient_clip,
            patience=self.patience,
            evaluate_every_steps=self.evaluate_every_steps,
        )
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate is {self.learning_rate}; it must be above 0")
        if not 0 <= self.warm_up < 1:
            raise ValueError(f"warm_up is {self.warm_up}; it must be 0 or more, and below 1")


@dataclass(frozen=True)
class FinetuneRecipe:
    """One reference system.

    `head` is `linear` (hidden to 2), `projected` (hidden to `head_size` to 2) or `mlp` (with GELU
    and dropout between). A training clip has `clip_samples` at most, from the `start` of a
    recording or from a `random` place. The `padding` `zero` fills every clip with zeros that the
    network sees; `mask` pads to the longest clip of a batch and hides the padding, if the
    backbone's family takes an attention mask. For scoring, a recording is cut into windows of
    `clip_samples` every `hop_samples`, the last zero-padded, and scored by the mean of their
    P(spoof); if `hop_samples` is 0, only the first clip is scored.

    `class_weights` are those of bona fide and spoof in the loss; `frequency` means
    N / (2 N_class). `noise_chance` is the chance that a clip gets white noise, at a level drawn
    from `noise_snr_db`.
    """

    name: str
    stages: tuple[Stage, ...]
    head: Literal["linear", "projected", "mlp"]
    head_size: int = 256
    head_dropout: float = 0.0
    best_by: Literal["eer", "auc"] = "eer"
    clip_samples: int = 64_000
    hop_samples: int = 0
    start: Literal["random", "start"] = "random"
    padding: Literal["zero", "mask"] = "zero"
    normalise: bool = False
    class_weights: Literal["none", "frequency"] | tuple[float, float] = "none"
    noise_chance: float = 0.0
    noise_snr_db: tuple[float, float] = (10.0, 30.0)

    def __post_init__(self) -> None:
        _at_least(1, head_size=self.head_size)
        _at_least(0, hop_samples=self.hop_samples)
        _at_least(4_000, clip_samples=self.clip_samples)
        if not (0 <= self.noise_chance <= 1 and 0 <= self.head_dropout < 1):
            raise ValueError("noise_chance and head_dropout must be from 0 to 1")
        if isinstance(self.class_weights, tuple) and min(self.class_weights) <= 0:
            raise ValueError(f"class_weights are {list(self.class_weights)}; both must be above 0")


def _at_least(least: int, **values: float) -> None:
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name} is {value}; it must be {least} or more")


# Biases and norms do not decay, as with transformers' trainer, which B was made with.
TWO_STAGE = FinetuneRecipe(
    name="two-stage",
    stages=(
        Stage("head", epochs=5, batch=32, learning_rate=1e-3),
        Stage(
            "top",
            epochs=10,
            batch=16,
            learning_rate=1e-5,
            top_layers=2,
            parts=("encoder-norm",),
            schedule="linear",
            warm_up=0.1,
            gradient_clip=1.0,
            patience=3,
        ),
    ),
    head="linear",
    hop_samples=32_000,
    class_weights="frequency",
    noise_chance=0.5,
)
XLSR_HALF = FinetuneRecipe(
    name="xlsr-half",
    stages=(
        Stage(
            "top",
            epochs=5,
            batch=4,
            accumulate=4,
            learning_rate=3e-5,
            top_layers=12,
            parts=("projection", "positions", "encoder-norm", "mask-embedding"),
            decay="matrices",
            schedule="linear",
            warm_up=0.1,
            gradient_clip=1.0,
            patience=3,
            evaluate_every_steps=30,
        ),
    ),
    head="projected",
    best_by="auc",
    clip_samples=208_000,
    padding="mask",
    normalise=True,
)
TOP4_MLP = FinetuneRecipe(
    name="top4-mlp",
    stages=(
        Stage(
            "top",
            epochs=40,
            batch=8,
            learning_rate=1e-5,
            top_layers=4,
            weight_decay=1e-4,
            schedule="cosine",
            gradient_clip=1.0,
            patience=12,
            precision="fp32",
        ),
    ),
    head="mlp",
    head_dropout=0.1,
    start="start",
    class_weights=(3.0, 1.0),
)
FINETUNE_RECIPES = {recipe.name: recipe for recipe in (TWO_STAGE, XLSR_HALF, TOP4_MLP)}
