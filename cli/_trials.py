"""The trials that the options of `dfd evaluate` name: a manifest, a public set, or scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfd.errors import UserError

if TYPE_CHECKING:
    from dfd.evaluation.trials import TrialSet

# the readers of these are imported only when the command runs
PROTOCOLS = ("asvspoof2019-la", "asvspoof2021-la", "wavefake", "in-the-wild")


def refuse_contradictions(values: dict[str, Any]) -> None:
    """Refuses options of `dfd evaluate` that contradict each other.

    Raises:
        UserError: if two do, or none names any trials.
    """
    chosen = [name for name in ("manifest", "protocol") if values[name] is not None]
    problem = None
    if len(chosen) == 2:
        problem = "--manifest and --protocol both name trials: give only one of them"
    elif not chosen and values["scores_in"] is None:
        problem = "name the trials: --manifest FILE, --protocol NAME, or --scores-in FILE"
    elif chosen and values["audio_root"] is None:
        problem = "name the folder that contains the audio: --audio-root DIR"
    elif values["scores_in"] is not None and any(
        values[name] for name in ("conditions", "long_streams", "seconds", "by_seconds")
    ):
        problem = (
            "--scores-in has no audio, so --conditions, --seconds, --by-seconds and --long-streams"
            " do not apply"
        )
    elif values["split"] and values["manifest"] is None:
        problem = "--split needs --manifest; for a protocol use --subset"
    elif (values["subset"] or values["keys"]) and values["protocol"] is None:
        problem = "--subset and --keys need --protocol"
    if problem:
        raise UserError(problem)


def trials_of(
    *,
    manifest: Path | None,
    protocol: str | None,
    audio_root: Path,
    split: str | None,
    subset: str | None,
    keys: Path | None,
    scores_in: Path | None,
    lines: Any,
    **_: Any,
) -> TrialSet:
    """Reads the trials that the options name; `lines` are those of `scores_in`.

    Raises:
        UserError: if there are no such trials.
    """
    from dfd.evaluation.protocols import PROTOCOLS as READERS
    from dfd.evaluation.score_files import recordings_of
    from dfd.evaluation.trials import TrialSet, from_manifest

    if manifest is not None:
        return from_manifest(manifest, audio_root, split)
    if protocol is None:
        assert scores_in is not None
        return TrialSet(
            name="score file",
            subset="all lines",
            recordings=recordings_of(lines, scores_in),
            audio_root=Path(),
            listed_in=scores_in,
        )
    reader = READERS[protocol]
    subset = subset or reader.subsets[0]
    if subset not in reader.subsets:
        raise UserError(
            f"{protocol} has no subset {subset}; choose from: {', '.join(reader.subsets)}"
        )
    return reader.read(audio_root, subset, keys)
