"""The options of a training, as frozen dataclasses, and the recipes known by name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dfd.training.bundled.banks import AlteredOptions, BankOptions
from dfd.training.bundled.batches import Drawing
from dfd.training.bundled.network import WIDE, NetworkOptions
from dfd.training.bundled.stem import StemOptions
from dfd.training.material.augment import AugmentOptions


@dataclass(frozen=True)
class FitOptions:
    """The optimisation: AdamW and an averaged copy of the weights.

    The learning rate warms up linearly and falls to a fiftieth on a cosine over `steps`.

    `batch_seconds` is the audio in a batch of at most `most_clips`; each batch has crops of one
    random length out of `crop_seconds`, drawn with `crop_weights`. `alike_chance` is the chance
    that the crops of a pair are augmented alike. `average_decay` is the exponential moving
    average of the weights that is evaluated and exported. `teacher_share` is the weight of the
    teachers' mean P(spoof) against the label, if a recipe has teachers.
    """

    steps: int = 300
    batch_seconds: float = 128.0
    most_clips: int = 48
    alike_chance: float = 0.0
    crop_seconds: tuple[float, ...] = (4.0,)
    crop_weights: tuple[float, ...] = (1.0,)
    learning_rate: float = 1.5e-3
    warm_up_steps: int = 100
    weight_decay: float = 0.02
    gradient_clip: float = 1.0
    label_smoothing: float = 0.05
    teacher_share: float = 0.7
    average_decay: float = 0.99
    evaluate_every_steps: int = 250


@dataclass(frozen=True)
class Phase:
    """A part of the training, up to `until_step`: what is drawn, and how much is augmented.

    Shares are relative. Original recordings and codec renderings serve both labels, copy
    synthesis and spoken sentences only spoofs. `untouched_chance` is the chance that a crop is
    not augmented.
    """

    until_step: int = 1_000_000_000
    untouched_chance: float = 0.9
    original_share: float = 0.6
    codec_share: float = 0.15
    copy_share: float = 0.25
    spoken_share: float = 0.0

    @property
    def shares(self) -> dict[str, tuple[float, float]]:
        """Returns the shares of bona fide and spoof crops by kind of bank."""
        return {
            "original": (self.original_share, self.original_share),
            "codec": (self.codec_share, self.codec_share),
            "copy": (0.0, self.copy_share),
            "spoken": (0.0, self.spoken_share),
        }


@dataclass(frozen=True)
class Recipe:
    """One way to make a detector.

    `teachers` are trained first; the network then learns from their mean P(spoof), starting with
    the weights of the first if `from_first_teacher` is set. `editions` are the editions of the
    corpus that it is trained on; none means all.
    """

    name: str
    network: NetworkOptions = field(default_factory=NetworkOptions)
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    banks: BankOptions = field(default_factory=BankOptions)
    fit: FitOptions = field(default_factory=FitOptions)
    drawing: Drawing = field(default_factory=Drawing)
    editions: tuple[str, ...] = ()
    phases: tuple[Phase, ...] = (Phase(),)
    teachers: tuple[Recipe, ...] = ()
    from_first_teacher: bool = False

    def shortened(self, steps: int) -> Recipe:
        """Returns the same recipe with at most `steps` for each network."""
        fit = replace(self.fit, steps=min(steps, self.fit.steps))
        teachers = tuple(teacher.shortened(steps) for teacher in self.teachers)
        return replace(self, fit=fit, teachers=teachers)

    def phase(self, step: int) -> Phase:
        """Returns the phase that `step` (from 0) belongs to; the last one never ends."""
        return next((p for p in self.phases if step < p.until_step), self.phases[-1])


# A few hundred steps on unaltered recordings make the best detector of clean speech, each teacher
# with one measure against memorising the sources; more steps do not help. Hard material slows the
# start, so the bundled detector hears it while it learns what the teachers say of the same crops
# before they were altered.
_PLAIN = Phase(untouched_chance=1.0, original_share=1.0, codec_share=0.0, copy_share=0.0)
_SHORT = FitOptions(steps=300, evaluate_every_steps=150)
MASKED = Recipe(
    "masked",
    network=NetworkOptions(band_mask_chance=0.5, style_mix_chance=0.0),
    fit=_SHORT,
    phases=(_PLAIN,),
)
MIXED = Recipe(
    "mixed",
    network=NetworkOptions(band_mask_chance=0.0, style_mix_chance=0.25),
    fit=_SHORT,
    phases=(_PLAIN,),
)
COPIES = Recipe(
    "copies",
    network=NetworkOptions(band_mask_chance=0.0, style_mix_chance=0.0),
    fit=_SHORT,
    phases=(replace(_PLAIN, copy_share=0.25),),
)
TAUGHT = Recipe(
    "taught",
    network=NetworkOptions(band_mask_chance=0.3, style_mix_chance=0.15),
    fit=FitOptions(
        steps=1500, crop_seconds=(1.0, 2.0, 3.0, 4.0), crop_weights=(0.1, 0.2, 0.2, 0.5)
    ),
    phases=(
        Phase(
            untouched_chance=0.5,
            original_share=0.65,
            codec_share=0.25,
            copy_share=0.1,
            spoken_share=0.03,
        ),
    ),
    teachers=(MASKED, MIXED, COPIES),
    from_first_teacher=True,
)
# Four times as many clips per step and many more steps, mostly on pairs of one source.
PAIRED = Recipe(
    "paired",
    network=NetworkOptions(
        branch=WIDE,
        hop_samples=32_000,
        band_mask_chance=0.3,
        frame_mask_chance=0.2,
        style_mix_chance=0.15,
    ),
    augment=AugmentOptions(
        narrow_band_chance=0.3,
        equaliser_chance=0.4,
        measured_room_chance=0.12,
        room_chance=0.12,
        measured_noise_chance=0.2,
        noise_chance=0.25,
        noise_snr_db=(5.0, 35.0),
        impulsive_chance=0.0,
        mu_law_chance=0.15,
        clip_chance=0.05,
        coarse_chance=0.1,
        mask_chance=0.0,
    ),
    fit=FitOptions(
        steps=4700,
        batch_seconds=512.0,
        most_clips=160,
        alike_chance=0.5,
        crop_seconds=(1.0, 2.0, 3.0, 4.0),
        crop_weights=(0.1, 0.15, 0.15, 0.6),
        learning_rate=2e-3,
        warm_up_steps=200,
        average_decay=0.998,
        evaluate_every_steps=500,
    ),
    banks=BankOptions(copies=0),
    drawing=Drawing(root_sources=True, paired_chance=0.7),
    phases=(
        Phase(
            untouched_chance=0.5,
            original_share=0.73,
            codec_share=0.25,
            copy_share=0.0,
            spoken_share=0.02,
        ),
    ),
)


@dataclass(frozen=True)
class JoinedRecipe:
    """Networks that are trained one after another, and whose log-odds are averaged.

    They are served as branches of one network, which processes hops of `hop_samples`. `stem` says
    how a classifier behind a pretrained encoder joins them; None leaves it out.
    """

    name: str
    members: tuple[Recipe, ...]
    hop_samples: int = 32_000
    stem: StemOptions | None = None

    def shortened(self, steps: int) -> JoinedRecipe:
        """Returns the same recipe with at most `steps` for each network."""
        stem = None
        if self.stem is not None:
            stem = replace(self.stem, steps=min(steps, self.stem.steps))
        return replace(self, members=tuple(one.shortened(steps) for one in self.members), stem=stem)

    @property
    def parts(self) -> tuple[Recipe, ...]:
        """Every network that is trained, in order."""
        return tuple(part for one in self.members for part in (*one.teachers, one))


# The small network is trained on edition 1 alone, and knows nothing of edition 2: the two networks
# are wrong about different recordings, and their mean is better than either.
_FIRST = ("1",)
RECIPES = {
    "bundled": JoinedRecipe(
        "bundled",
        (
            PAIRED,
            replace(
                TAUGHT,
                editions=_FIRST,
                teachers=tuple(replace(one, editions=_FIRST) for one in TAUGHT.teachers),
            ),
        ),
        stem=StemOptions(altered=AlteredOptions(PAIRED.augment)),
    )
}
