"""What a training is made of, as frozen options, and the recipes known by name."""

from __future__ import annotations

from dataclasses import dataclass, field

from dfd.training.augment import AugmentOptions
from dfd.training.banks import BankOptions
from dfd.training.network import NetworkOptions
from dfd.training.pretrain import PretrainOptions


@dataclass(frozen=True)
class FitOptions:
    """The optimisation: AdamW, linear warm-up then cosine decay, and an averaged copy.

    ``batch_seconds`` is the audio in a batch; each batch has crops of one random length out of
    ``crop_seconds``, drawn with ``crop_weights``. ``average_decay`` is the exponential moving
    average of the weights that is evaluated and exported.
    """

    steps: int = 4500
    batch_seconds: float = 36.0
    crop_seconds: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 4.0)
    crop_weights: tuple[float, ...] = (0.15, 0.25, 0.35, 0.2, 0.05)
    learning_rate: float = 1e-3
    warm_up_steps: int = 200
    weight_decay: float = 0.05
    gradient_clip: float = 1.0
    label_smoothing: float = 0.05
    average_decay: float = 0.997
    evaluate_every_steps: int = 300


@dataclass(frozen=True)
class Recipe:
    """One way to make a detector."""

    name: str
    network: NetworkOptions = field(default_factory=NetworkOptions)
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    banks: BankOptions = field(default_factory=BankOptions)
    pretrain: PretrainOptions = field(default_factory=PretrainOptions)
    fit: FitOptions = field(default_factory=FitOptions)


RECIPES = {"bundled": Recipe("bundled")}
