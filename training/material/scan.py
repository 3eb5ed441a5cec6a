"""Checks the files of both splits before training."""

from __future__ import annotations

from dfd.training.material.clips import Clips, scan
from dfd.training.material.splits import Splits
from dfd.training.run.progress import Talk

NAMED_AT_MOST = 5


def scan_splits(splits: Splits, workers: int, talk: Talk) -> tuple[Clips, Clips]:
    """Returns the readable recordings of train and of dev; names those that are not readable."""
    made = []
    for name, rows in (("train", splits.train), ("dev", splits.dev)):
        with talk.bar(f"looking at {name}", len(rows)) as tick:
            clips = scan(
                rows, splits.root, f"{splits.name}, split {name}", workers=workers, progress=tick
            )
        tell_unreadable(clips, name, talk)
        made.append(clips)
    return made[0], made[1]


def tell_unreadable(clips: Clips, split: str, talk: Talk) -> None:
    """Counts and names the files that are left out, and the incomplete ones."""
    for files, what in (
        (clips.unreadable, "cannot be read and are left out"),
        (clips.incomplete, "are used though part of them is missing"),
    ):
        if files:
            talk.say(f"{split}: {len(files)} files {what}")
        for file, reason in list(files.items())[:NAMED_AT_MOST]:
            talk.say(f"  {file}: {reason.removeprefix(f'{clips.root / file} ')}")
