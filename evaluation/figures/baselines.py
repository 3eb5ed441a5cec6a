"""Published figures for comparison: EER in per cent, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Published:
    """One system on one data set.

    Attributes:
        dataset: name as for `--protocol`.
        eer_percent: pooled EER.
        source: who published it, and on which part, if stated.
        groups: EER in per cent by group, by table.
        min_tdcf: min t-DCF of ASVspoof 2019, if stated.
    """

    system: str
    dataset: str
    eer_percent: float
    source: str
    groups: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    min_tdcf: float | None = None


_LA19, _LA21, _WAVEFAKE, _WILD = "asvspoof2019-la", "asvspoof2021-la", "wavefake", "in-the-wild"
_CHALLENGE_19 = "baseline of the ASVspoof 2019 challenge, eval"
_CHALLENGE_21 = "baseline of the ASVspoof 2021 challenge, eval partition"
_TWO_STAGE = "model card of system A (two-stage Wav2Vec2)"
_TOP_FOUR = "model card of system C (Wav2Vec2, top four blocks)"
_RERUN = "rerun by others on all 181,566 trials"

PUBLISHED = (
    Published("LFCC-GMM", _LA19, 8.09, _CHALLENGE_19),
    Published("CQCC-GMM", _LA19, 9.57, _CHALLENGE_19),
    Published(
        "two-stage Wav2Vec2 (A)",
        _LA19,
        5.55,
        _TWO_STAGE,
        {"by_attack": {"A10": 15.54, "A13": 0.24}},
    ),
    Published("Wav2Vec2, top four blocks (C)", _LA19, 1.55, _TOP_FOUR, min_tdcf=0.3966),
    Published("AASIST", _LA19, 0.83, "its authors"),
    Published("XLS-R 300M + AASIST", _LA19, 0.22, "rerun by others"),
    Published("Nes2Net-X", _LA19, 0.13, "rerun by others"),
    Published("DF Arena 1B", _LA19, 1.06, "its authors"),
    Published("LFCC-GMM", _LA21, 25.56, _CHALLENGE_21),
    Published("CQCC-GMM", _LA21, 19.30, _CHALLENGE_21),
    Published("LFCC-LCNN", _LA21, 9.26, _CHALLENGE_21),
    Published("RawNet2", _LA21, 9.50, _CHALLENGE_21),
    Published(
        "two-stage Wav2Vec2 (A)",
        _LA21,
        9.09,
        _TWO_STAGE,
        {
            "by_codec": {
                "none": 5.24,
                "opus": 5.30,
                "g722": 5.42,
                "ulaw": 7.81,
                "alaw": 8.37,
                "pstn": 11.14,
                "gsm": 11.53,
            }
        },
    ),
    Published("AASIST", _LA21, 12.35, _RERUN),
    Published("XLS-R 300M + AASIST", _LA21, 0.82, "its authors"),
    Published("XLS-R 300M + AASIST", _LA21, 8.11, _RERUN),
    Published("Nes2Net-X", _LA21, 1.73, "its authors"),
    Published("Nes2Net-X", _LA21, 6.14, _RERUN),
    Published("DF Arena 1B", _LA21, 4.81, "its authors"),
    Published("two-stage Wav2Vec2 (A)", _WAVEFAKE, 26.33, _TWO_STAGE),
    Published("Wav2Vec2, top four blocks (C)", _WILD, 27.68, _TOP_FOUR),
    Published("AASIST", _WILD, 43.0, "rerun by others"),
    Published("XLS-R 300M + AASIST", _WILD, 10.46, "its authors"),
    Published("XLS-R 300M + AASIST", _WILD, 11.2, "rerun by others"),
    Published("Nes2Net-X", _WILD, 5.15, "its authors"),
    Published("Nes2Net-X", _WILD, 8.48, "rerun by others"),
    Published("DF Arena 1B", _WILD, 0.91, "its authors"),
)

# reported on unavailable sets, so nothing can be compared with them
ELSEWHERE = (
    "Wav2Vec2-XLSR (B): accuracy 97.9 %, ROC-AUC 0.998 on its own validation set of 187",
    "frozen embeddings and logistic regression (D): ROC-AUC 0.9684 in cross-validation, 0.9744 on"
    " a fifth of ASVspoof 2019 LA dev",
)


def published(dataset: str) -> list[dict[str, Any]]:
    """Returns the rows of a data set, best first; empty for a manifest."""
    rows = [asdict(row) for row in PUBLISHED if row.dataset == dataset]
    return sorted(rows, key=lambda row: float(row["eer_percent"]))
