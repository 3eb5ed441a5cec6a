"""ASVspoof 2019, logical access: https://doi.org/10.7488/ds/2555.

A protocol has five columns: speaker, utterance, `-`, attack (`-` or A01 to A19), label.
"""

from __future__ import annotations

from pathlib import Path

from dfd.errors import UserError
from dfd.evaluation.corpus import Recording
from dfd.evaluation.protocols import layout
from dfd.evaluation.trials import BY_SPEAKER, Against, Table, TrialSet

SUBSETS = ("eval", "dev", "train")
COUNTS = {"eval": 71_237, "dev": 24_844, "train": 25_380}
_ENDINGS = {"eval": "eval.trl", "dev": "dev.trl", "train": "train.trn"}


def read(root: Path, subset: str = "eval", keys: Path | None = None) -> TrialSet:
    """Returns the trials of one partition below `root`.

    Raises:
        UserError: if the protocol or its audio is missing or broken.
    """
    name = f"ASVspoof2019.LA.cm.{_ENDINGS[subset]}.txt"
    path = layout.find_list(root, (name,), keys, "protocol")
    rows = []
    for number, (speaker, utterance, _, attack, word) in layout.columns(path, 5):
        label = layout.label_of(word, path, number)
        if (label == 0) != (attack == "-"):
            raise UserError(f"{path}:{number}: attack {attack!r} does not fit label {word!r}")
        rows.append((speaker, utterance, attack, label))
    folder = layout.find_audio(
        root, (f"ASVspoof2019_LA_{subset}/flac",), [utterance for _, utterance, _, _ in rows]
    )
    return TrialSet(
        name="asvspoof2019-la",
        subset=f"{subset} partition",
        recordings=[
            Recording(
                file=layout.audio_file(folder, root, utterance),
                label=label,
                split=subset,
                system=attack if label else "human",
                speaker=speaker,
                utterance=utterance,
            )
            for speaker, utterance, attack, label in rows
        ],
        audio_root=root,
        listed_in=path,
        tables=(Table("by_attack", "system", Against.ALL), BY_SPEAKER),
        official_count=COUNTS[subset],
    )
