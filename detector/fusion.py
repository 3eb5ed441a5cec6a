"""Several models as one: a sum of calibrated LLRs, or a cheap model before an expensive one.

The weights are in the card of one of the members (`fusion` in dfd.json), because a weight means
something only beside the others. If no card has weights for exactly these members, all are equal,
which makes the sum a mean. If a member has no score for a window, its weight is left out and the
others are scaled up.
"""

import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfd.detector.spec import Calibration, FusionSpec, LoadedModel, MemberSpec, ModelSpec
from dfd.errors import UserError

FUSED, CASCADED = "+", "-then-"
_LEAST_THRESHOLD = 1e-6
_LOGGER = logging.getLogger("dfd.detector")


def terms(text: str) -> tuple[str, ...]:
    """Splits a combination such as "a+b" into its models.

    Raises:
        UserError: if there are fewer than two, or one of them twice.
    """
    names = tuple(name.strip() for name in text.split(FUSED))
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        raise UserError(f"{text!r} does not name different models: write them as a+b")
    return names


class Fusion:
    """Adds the LLRs of its members.

    Args:
        specs: specs of the members.

    Attributes:
        spec: spec of the combination.
        weights: one for each member.

    Raises:
        UserError: if they cannot process the same windows.
    """

    def __init__(self, specs: Sequence[ModelSpec]) -> None:
        stated = _stated(specs)
        said = "by equal weights" if stated is None else "by the weights of their cards"
        self.weights = (1.0 / len(specs),) * len(specs)
        threshold = None
        if stated is not None:
            by_name = {one.name: one.weight for one in stated.weights}
            self.weights = tuple(by_name[spec.name] for spec in specs)
            threshold = stated.threshold
        logits = (
            [_logit(spec.rolling_threshold) for spec in specs],
            [_logit(spec.cumulative_threshold) for spec in specs],
        )
        rolling, cumulative = (_probability(self._sum(values)) for values in logits)
        self.spec = _together(
            specs,
            FUSED.join(spec.name for spec in specs),
            layout="fusion",
            rolling_threshold=threshold or rolling,
            cumulative_threshold=threshold or cumulative,
            members=tuple(
                MemberSpec(spec.name, weight)
                for spec, weight in zip(specs, self.weights, strict=True)
            ),
            card_text=f"The calibrated LLRs of {_listed(specs)}, added {said}.{_warning(specs)}",
        )

    def llr(self, llrs: Sequence[float | None]) -> float | None:
        """Combines the members' LLRs, given in order; None if none of them has a score."""
        scored = [
            (weight, llr)
            for weight, llr in zip(self.weights, llrs, strict=True)
            if llr is not None and math.isfinite(llr)
        ]
        share = sum(weight for weight, _ in scored)
        if not scored or share <= 0.0:
            return None
        return sum(weight * llr for weight, llr in scored) * sum(self.weights) / share

    def _sum(self, llrs: Sequence[float]) -> float:
        return sum(weight * llr for weight, llr in zip(self.weights, llrs, strict=True))


class Cascade:
    """A cheap model that scores every window, and an expensive one for those that matter.

    Args:
        cheap: the model that scores every window.
        expensive: the model whose score counts where it is run.
        from_probability: P(spoof) of the cheap model from which the expensive one is run.

    Attributes:
        spec: spec of both together.

    Raises:
        UserError: if they cannot process the same windows.
    """

    def __init__(self, cheap: ModelSpec, expensive: ModelSpec, from_probability: float) -> None:
        self._from_llr = _logit(from_probability)
        both = (cheap, expensive)
        self.spec = _together(
            both,
            f"{cheap.name}{CASCADED}{expensive.name}",
            layout="cascade",
            rolling_threshold=expensive.rolling_threshold,
            cumulative_threshold=expensive.cumulative_threshold,
            members=(MemberSpec(cheap.name, 0.0), MemberSpec(expensive.name, 0.0)),
            card_text=f"{cheap.name} scores every window, and {expensive.name} those to which it "
            f"gives a P(spoof) of {from_probability:g} or more, and all while an alert is near."
            f"{_warning(both)}",
        )

    def escalates(self, llr: float | None) -> bool:
        """Returns whether the expensive model should score a window, given the cheap one's LLR."""
        return llr is None or not math.isfinite(llr) or llr >= self._from_llr


class FusionMember:
    """A model that scores the windows of a fusion with its own LLRs.

    Args:
        model: the model.
        fused: spec of the fusion.
    """

    def __init__(self, model: LoadedModel, fused: ModelSpec) -> None:
        self._model = model
        self.spec = replace(fused, name=model.spec.name)

    def score(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Scores windows (B, N) of the given lengths: spoof LLRs (B,)."""
        return self._model.score(_widened(windows, self._model.spec.window_samples), lengths)


class FusedDetector:
    """Runs the members one after another in this process; for recordings, not for streams.

    Attributes:
        members: the models, each as it takes part.
    """

    def __init__(self, members: Sequence[LoadedModel]) -> None:
        self._fusion = Fusion([member.spec for member in members])
        self.spec = self._fusion.spec
        self.members = [FusionMember(member, self.spec) for member in members]

    def score(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Scores windows (B, N) of the given lengths: spoof LLRs (B,)."""
        columns = [member.score(windows, lengths).tolist() for member in self.members]
        found = [self._fusion.llr(row) for row in zip(*columns, strict=True)]
        return np.array([np.nan if llr is None else llr for llr in found], np.float32)


def load_fusion(text: str, load: Callable[[str], LoadedModel]) -> FusedDetector:
    """Loads the members of "a+b" one after another.

    Args:
        text: the models.
        load: loads one by its name.

    Raises:
        UserError: if one cannot be loaded, or they cannot process the same windows.
    """
    members = [load(name) for name in terms(text)]
    fused = FusedDetector(members)
    if raw := _raw([member.spec for member in members]):
        _LOGGER.warning(
            "%s adds scores that are not calibrated, those of %s: run dfd calibrate on each first",
            fused.spec.name,
            _listed(raw),
        )
    return fused


def _stated(specs: Sequence[ModelSpec]) -> FusionSpec | None:
    """Returns the first card's weights that are for exactly these models."""
    names = {spec.name for spec in specs}
    stated = (spec.fusion for spec in specs if spec.fusion is not None)
    return next((one for one in stated if {each.name for each in one.weights} == names), None)


def _widened(windows: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    return np.pad(windows, ((0, 0), (0, size - windows.shape[1])))


def _together(specs: Sequence[ModelSpec], name: str, **own: Any) -> ModelSpec:
    """Makes the spec of several models together; the shortest window is used for all of them."""
    rates = {spec.sample_rate_hz for spec in specs}
    if len(rates) > 1:
        listed = ", ".join(f"{spec.name} at {spec.sample_rate_hz} Hz" for spec in specs)
        raise UserError(f"only models with the same sample rate can be combined, not {listed}")
    shortest = min(specs, key=lambda spec: spec.window_samples)
    window, rate = shortest.window_samples, shortest.sample_rate_hz
    digests = "\n".join(spec.weights_sha256 for spec in specs)
    evidence = all(spec.utterance_score == "evidence" for spec in specs)
    return ModelSpec(
        name=name,
        version=FUSED.join(spec.version for spec in specs),
        weights_sha256=hashlib.sha256(digests.encode()).hexdigest(),
        sample_rate_hz=rate,
        window_samples=window,
        hop_samples=shortest.hop_samples,
        device=_joined(spec.device for spec in specs),
        precision=_joined(spec.precision for spec in specs),
        engine=_joined(spec.engine for spec in specs),
        batch_buckets=min((spec.batch_buckets for spec in specs), key=lambda sizes: sizes[-1]),
        padding=_joined(spec.padding for spec in specs),
        calibration=Calibration(),
        evidence_correlation=max(spec.evidence_correlation for spec in specs),
        min_speech_seconds=min(max(spec.min_speech_seconds for spec in specs), window / rate),
        trained_bandwidth_hz=max(spec.trained_bandwidth_hz for spec in specs),
        utterance_score="evidence" if evidence else "mean",
        **own,
    )


def _joined(values: Any) -> str:
    return FUSED.join(dict.fromkeys(values))


def _listed(specs: Sequence[ModelSpec]) -> str:
    return " and ".join(spec.name for spec in specs)


def _raw(specs: Sequence[ModelSpec]) -> list[ModelSpec]:
    """Returns those whose scores are not calibrated."""
    return [spec for spec in specs if spec.calibration == Calibration()]


def _warning(specs: Sequence[ModelSpec]) -> str:
    """Returns a warning about members whose scores are not likelihood ratios."""
    raw = _raw(specs)
    return f" Not calibrated: {_listed(raw)} (see dfd calibrate)." if raw else ""


def _logit(probability: float) -> float:
    inside = min(max(probability, _LEAST_THRESHOLD), 1.0 - _LEAST_THRESHOLD)
    return math.log(inside / (1.0 - inside))


def _probability(llr: float) -> float:
    return min(max(1.0 / (1.0 + math.exp(-llr)), _LEAST_THRESHOLD), 1.0)
