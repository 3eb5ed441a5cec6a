"""In-the-Wild (Müller and others 2022): audio next to a `meta.csv` of file, speaker, label."""

from __future__ import annotations

import csv
from pathlib import Path

from dfd.errors import UserError
from dfd.evaluation.corpus import Recording
from dfd.evaluation.protocols import layout
from dfd.evaluation.trials import BY_SPEAKER, TrialSet

SUBSETS = ("all",)
COUNT = 31_779
_COLUMNS = ("file", "speaker", "label")


def read(root: Path, subset: str = "all", keys: Path | None = None) -> TrialSet:
    """Returns every recording as a trial.

    Raises:
        UserError: if `meta.csv` is missing or broken.
    """
    path = layout.find_list(root, ("meta.csv",), keys, "meta.csv")
    # the list may be elsewhere than the audio
    folder = path.parent.relative_to(root) if root in path.parents else Path()
    recordings = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(
                    f"{path}: no column {', '.join(missing)}; it must be a CSV of file, speaker,"
                    " label"
                )
            for number, row in enumerate(reader, start=2):
                if not (row["file"] or "").strip():
                    raise UserError(f"{path}:{number}: no file")
                label = layout.label_of((row["label"] or "").strip(), path, number)
                recordings.append(
                    Recording(
                        file=str(folder / row["file"].strip()),
                        label=label,
                        system="unknown" if label else "human",
                        speaker=(row["speaker"] or "").strip(),
                        utterance=row["file"].strip(),
                    )
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return TrialSet(
        name="in-the-wild",
        subset="all recordings",
        recordings=recordings,
        audio_root=root,
        listed_in=path,
        tables=(BY_SPEAKER,),
        official_count=COUNT,
    )
