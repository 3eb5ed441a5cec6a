"""Finds the files of a data set below one folder, and reads their columns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from dfd.errors import UserError
from dfd.evaluation.corpus import LABELS

AUDIO_SUFFIXES = (".flac", ".wav")
_DEPTH = 4


def folders(root: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """Yields the folder itself, then those below it, level by level, sorted by name."""
    level = [root]
    for _ in range(depth + 1):
        yield from level
        level = [child for folder in level for child in _children(folder)]


def _children(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir()]
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def find_list(root: Path, names: Sequence[str], given: Path | None, what: str) -> Path:
    """Returns the path of the list of trials: `given`, or the first of `names` below `root`.

    Raises:
        UserError: if it is missing.
    """
    if given is not None:
        if not given.is_file():
            raise UserError(f"there is no file {given}: name the {what} as --keys")
        return given
    for folder in folders(root):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    raise UserError(
        f"{root} contains no {' or '.join(names)} (searched {_DEPTH} levels deep): give the folder"
        f" that the set was unpacked into as --audio-root, or the {what} as --keys"
    )


def find_audio(root: Path, folder_names: Sequence[str], utterances: Sequence[str]) -> Path:
    """Returns the folder of the first utterances as FLAC or WAV; the usual folders are tried first.

    Raises:
        UserError: if no folder below `root` contains any of the first hundred.
    """
    usual = [folder / name for folder in folders(root) for name in folder_names]
    for folder in [*(one for one in usual if one.is_dir()), *folders(root)]:
        for utterance in islice(utterances, 100):
            if any((folder / f"{utterance}{suffix}").is_file() for suffix in AUDIO_SUFFIXES):
                return folder
    raise UserError(
        f"there is no audio of the listed utterances below {root} (searched {_DEPTH} levels deep"
        f" for {folder_names[0]}/{utterances[0]}.flac or .wav): give the folder that the set was"
        " unpacked into as --audio-root"
    )


def audio_file(folder: Path, root: Path, utterance: str) -> str:
    """Returns the file of an utterance, relative to `root`: FLAC, unless there is only a WAV."""
    flac, wave = (folder / f"{utterance}{suffix}" for suffix in AUDIO_SUFFIXES)
    return str((wave if not flac.exists() and wave.exists() else flac).relative_to(root))


def columns(path: Path, count: int) -> Iterator[tuple[int, list[str]]]:
    """Yields the rows of a list whose columns are separated by blanks, with their line numbers.

    Raises:
        UserError: if the file cannot be read, is empty, or a row has another number of columns.
    """
    empty = True
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                fields = line.split()
                if not fields:
                    continue
                if len(fields) != count:
                    raise UserError(f"{path}:{number}: {len(fields)} columns instead of {count}")
                empty = False
                yield number, fields
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    if empty:
        raise UserError(f"{path} is empty")


def label_of(word: str, path: Path, number: int) -> int:
    """Returns 0 for bona fide, 1 for spoof.

    Raises:
        UserError: if the word is unknown.
    """
    label = LABELS.get(word.replace("-", ""))
    if label is None:
        raise UserError(f"{path}:{number}: label {word!r} is neither bonafide nor spoof")
    return label
