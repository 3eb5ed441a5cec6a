"""What a training is made of, as frozen options, and the recipes known by name."""

from __future__ import annotations

from dataclasses import dataclass, field

from dfd.training.augment import AugmentOptions
from dfd.training.banks import BankOptions
from dfd.training.network import NetworkOptions


@dataclass(frozen=True)
class FitOptions:
    """The optimisation: AdamW and an averaged copy of the weights.

    The learning rate warms up linearly and falls to a fiftieth on a cosine over ``steps``.

    ``batch_seconds`` is the audio in a batch; each batch has crops of one random length out of
    ``crop_seconds``, drawn with ``crop_weights``. ``average_decay`` is the exponential moving
    average of the weights that is evaluated and exported.
    """

    steps: int = 8000
    batch_seconds: float = 96.0
    crop_seconds: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0)
    crop_weights: tuple[float, ...] = (0.15, 0.3, 0.35, 0.2)
    learning_rate: float = 1.5e-3
    warm_up_steps: int = 100
    weight_decay: float = 0.02
    gradient_clip: float = 1.0
    label_smoothing: float = 0.05
    average_decay: float = 0.998
    evaluate_every_steps: int = 500


@dataclass(frozen=True)
class Phase:
    """A stretch of the training, until ``until_step``: what is drawn, and how much is augmented.

    Shares are relative. Original recordings and codec renderings serve both labels, copy
    synthesis and spoken sentences only spoofs. ``untouched_chance`` is that of a crop to be
    left as it is.
    """

    until_step: int
    untouched_chance: float = 0.9
    original_share: float = 0.6
    codec_share: float = 0.15
    copy_share: float = 0.25
    spoken_share: float = 0.05

    @property
    def shares(self) -> dict[str, tuple[float, float]]:
        """Shares of bona fide and spoof crops by kind of bank."""
        return {
            "original": (self.original_share, self.original_share),
            "codec": (self.codec_share, self.codec_share),
            "copy": (0.0, self.copy_share),
            "spoken": (0.0, self.spoken_share),
        }


# Hard material slows the start; the last phase is what the detector has to stand.
PHASES = (
    Phase(800, untouched_chance=0.7, copy_share=0.1, spoken_share=0.0),
    Phase(1_000_000, untouched_chance=0.45, codec_share=0.25, copy_share=0.2, spoken_share=0.05),
)


@dataclass(frozen=True)
class Recipe:
    """One way to make a detector."""

    name: str
    network: NetworkOptions = field(default_factory=NetworkOptions)
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    banks: BankOptions = field(default_factory=BankOptions)
    fit: FitOptions = field(default_factory=FitOptions)
    phases: tuple[Phase, ...] = PHASES

    def phase(self, step: int) -> Phase:
        """The phase that ``step`` (from 0) belongs to; the last one never ends."""
        return next((p for p in self.phases if step < p.until_step), self.phases[-1])


RECIPES = {"bundled": Recipe("bundled")}
