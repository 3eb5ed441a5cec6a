"""ASVspoof 2021, logical access: https://doi.org/10.5281/zenodo.4837263.

The keys have eight columns: speaker, utterance, codec, transmission, attack, label, trim,
partition (`progress`, `eval`, `hidden`). Published figures are for `eval`.
"""

from __future__ import annotations

from pathlib import Path

from dfd.errors import UserError
from dfd.evaluation.corpus import Recording
from dfd.evaluation.protocols import layout
from dfd.evaluation.trials import (
    BY_CODEC,
    BY_SPEAKER,
    BY_TRANSMISSION,
    Against,
    Table,
    TrialSet,
)

SUBSETS = ("eval", "progress", "hidden", "all")
COUNTS = {"eval": 148_176, "all": 181_566}
_KEYS = ("LA/CM/trial_metadata.txt", "CM/trial_metadata.txt", "trial_metadata.txt")


def read(root: Path, subset: str = "eval", keys: Path | None = None) -> TrialSet:
    """Returns the trials of one partition, or of all, below `root`.

    Raises:
        UserError: if the keys or the audio are missing or broken, or no row belongs to the
            partition.
    """
    path = layout.find_list(root, _KEYS, keys, "key file trial_metadata.txt")
    rows = []
    for number, fields in layout.columns(path, 8):
        label = layout.label_of(fields[5], path, number)
        if fields[7] not in SUBSETS[:3]:
            raise UserError(
                f"{path}:{number}: partition {fields[7]!r} is not one of {', '.join(SUBSETS[:3])}"
            )
        if subset in ("all", fields[7]):
            rows.append((fields, label))
    if not rows:
        raise UserError(f"{path}: no row of the partition {subset}")
    folder = layout.find_audio(
        root, ("ASVspoof2021_LA_eval/flac",), [fields[1] for fields, _ in rows]
    )
    return TrialSet(
        name="asvspoof2021-la",
        subset="all partitions" if subset == "all" else f"{subset} partition",
        recordings=[
            Recording(
                file=layout.audio_file(folder, root, fields[1]),
                label=label,
                split=fields[7],
                system=fields[4] if label else "human",
                speaker=fields[0],
                codec=fields[2],
                transmission=fields[3],
                utterance=fields[1],
            )
            for fields, label in rows
        ],
        audio_root=root,
        listed_in=path,
        tables=(
            Table("by_attack", "system", Against.ALL),
            BY_CODEC,
            BY_TRANSMISSION,
            BY_SPEAKER,
        ),
        official_count=COUNTS.get(subset),
    )
