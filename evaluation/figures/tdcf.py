"""The tandem cost of ASVspoof 2019: a detector in front of automatic speaker verification (ASV).

Kinnunen and others, "t-DCF: a detection cost function for the tandem assessment of spoofing
countermeasures and automatic speaker verification", Odyssey 2018, in the form and with the cost
model of the ASVspoof 2019 evaluation plan. The verifier, whose scores are given, operates at the
threshold of its own EER (targets against non-targets). The cost of a detector that rejects a share
`miss` of bona fide recordings and accepts a share `acceptance` of spoofs is

    C1 * miss + C2 * acceptance
    C1 = p_target (c_cm_miss - c_asv_miss p_asv_miss) - p_nontarget c_asv_accept p_asv_accept
    C2 = c_cm_accept p_spoof (1 - p_asv_miss_spoof)

and is divided by that of the better trivial detector, min(C1, C2).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dfd.errors import UserError
from dfd.evaluation.figures import metrics
from dfd.evaluation.protocols.layout import columns

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_KINDS = ("target", "nontarget", "spoof")


@dataclass(frozen=True)
class CostModel:
    """Priors and costs; the defaults are those of ASVspoof 2019."""

    spoof_prior: float = 0.05
    target_prior: float = 0.95 * 0.99
    nontarget_prior: float = 0.95 * 0.01
    asv_miss_cost: float = 1.0
    asv_acceptance_cost: float = 10.0
    cm_miss_cost: float = 1.0
    cm_acceptance_cost: float = 10.0


@dataclass(frozen=True)
class AsvScores:
    """A verifier's scores (higher: more likely the claimed speaker) by kind of trial.

    `attacks` names what made each of `spoof`.
    """

    target: FloatArray
    nontarget: FloatArray
    spoof: FloatArray
    attacks: npt.NDArray[np.str_]


@dataclass(frozen=True)
class AsvErrors:
    """Error rates of the verifier at its threshold."""

    threshold: float
    miss: float
    acceptance: float
    spoof_miss: float


def read_asv_scores(path: Path) -> AsvScores:
    """Reads rows of source, `target`/`nontarget`/`spoof`, score, in the ASVspoof 2019 format.

    Raises:
        UserError: if the file is broken or lacks a kind of trial.
    """
    by_kind: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    attacks = []
    for number, (source, kind, text) in columns(path, 3):
        if kind not in by_kind:
            raise UserError(f"{path}:{number}: {kind!r} is not one of {', '.join(_KINDS)}")
        try:
            score = float(text)
        except ValueError:
            score = np.nan
        if not np.isfinite(score):
            raise UserError(f"{path}:{number}: score {text!r} is not a number")
        by_kind[kind].append(score)
        if kind == "spoof":
            attacks.append(source)
    for kind, scores in by_kind.items():
        if not scores:
            raise UserError(f"{path}: no {kind} trial, but all three kinds are needed")
    target, nontarget, spoof = (np.array(by_kind[kind]) for kind in _KINDS)
    return AsvScores(target, nontarget, spoof, np.array(attacks))


def asv_errors(asv: AsvScores, attack: str | None = None) -> AsvErrors:
    """Computes the error rates at the EER threshold, optionally with spoofs of one attack only.

    The threshold is the highest score that is rejected at the operating point where misses and
    acceptances differ least; as in the challenge's own scoring, that score itself is then accepted.
    """
    scores = np.concatenate((asv.target, asv.nontarget))
    is_target = np.repeat([1, 0], [asv.target.size, asv.nontarget.size])
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    missed = np.concatenate(([0], np.cumsum(is_target[order])))
    accepted = asv.nontarget.size - (np.arange(scores.size + 1) - missed)
    # compare counts, so that rounding has no influence
    best = int(np.argmin(np.abs(missed * asv.nontarget.size - accepted * asv.target.size)))
    threshold = float(ordered[best - 1]) if best else float(ordered[0]) - 0.001
    spoof = asv.spoof if attack is None else asv.spoof[asv.attacks == attack]
    return AsvErrors(
        threshold=threshold,
        miss=float((asv.target < threshold).mean()),
        acceptance=float((asv.nontarget >= threshold).mean()),
        spoof_miss=float((spoof < threshold).mean()) if spoof.size else float("nan"),
    )


def weights(errors: AsvErrors, model: CostModel | None = None) -> tuple[float, float]:
    """Returns C1 and C2.

    Raises:
        UserError: if one of them is not above zero, so that the cost is not defined.
    """
    model = model or CostModel()
    first = model.target_prior * (model.cm_miss_cost - model.asv_miss_cost * errors.miss)
    first -= model.nontarget_prior * model.asv_acceptance_cost * errors.acceptance
    second = model.cm_acceptance_cost * model.spoof_prior * (1 - errors.spoof_miss)
    if not (first > 0 and second > 0):
        raise UserError(
            f"no tandem cost is defined for the ASV scores (C1 = {first:g}, C2 = {second:g}): the"
            " verifier errs too often, or rejects every spoof"
        )
    return first, second


def min_tdcf(
    scores: FloatArray, labels: IntArray, errors: AsvErrors, model: CostModel | None = None
) -> float:
    """Returns the minimum normalised tandem cost over all thresholds.

    Args:
        scores: scores of the detector, (N,), higher: more likely spoof.
        labels: labels (N,), 1 for spoof.
        errors: error rates of the verifier.
        model: priors and costs.

    Raises:
        UserError: if the cost is not defined.
    """
    first, second = weights(errors, model)
    _, false_alarm, miss = metrics.roc(scores, labels)
    # the field names errors by what is accepted: its miss is a bona fide recording called spoof
    return float((first * false_alarm + second * miss).min() / min(first, second))
