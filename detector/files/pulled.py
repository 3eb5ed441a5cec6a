"""Public detectors fetched to this machine, under their names in the catalogue."""

import hashlib
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from dfd.detector.catalogue import DETECTORS, PublicDetector, named
from dfd.detector.files import hub
from dfd.errors import UserError

_PIECE_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30.0


def folder() -> Path:
    """Returns their folder: `DFD_MODELS`, or `dfd/models` in the user's data folder."""
    named_folder = os.environ.get("DFD_MODELS")
    if named_folder:
        return Path(named_folder).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "dfd" / "models"


def find(name: str) -> Path | None:
    """Returns a fetched detector's file or folder; None if it has not been fetched."""
    detector = named(name)
    if detector is None:
        return None
    if detector.hub_id is not None:
        return hub.cached(detector.hub_id)
    if detector.url is None:
        return None
    path = folder() / name / _file_name(detector)
    return path if path.exists() else None


def pull(
    name: str, on_progress: Callable[[int, int | None], None] = lambda done, total: None
) -> Path:
    """Fetches a detector of the catalogue, or a model of the hub by its id.

    Args:
        name: name in the catalogue, or "organisation/model".
        on_progress: called with the bytes received, and the total if the server states it.

    Returns:
        Its path.

    Raises:
        UserError: if there is no such detector, it has to be fetched by hand, the network cannot
            be reached, or the file differs from what was published.
    """
    detector = named(name)
    if detector is None:
        if hub.is_hub_id(name):
            return hub.fetch(name)
        known = ", ".join(one.name for one in DETECTORS)
        raise UserError(f"there is no public detector {name}: name a hub id or one of {known}")
    if detector.by_hand:
        raise by_hand(detector)
    if detector.hub_id is not None:
        return hub.fetch(detector.hub_id)
    target = folder() / name / _file_name(detector)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        _download(detector, target, on_progress)
    return target


def by_hand(detector: PublicDetector) -> UserError:
    """Returns the sentence about a detector that only a person can download."""
    return UserError(
        f"{detector.name} has to be downloaded by hand: get it from {detector.page} and name the "
        "file as --model"
    )


def _file_name(detector: PublicDetector) -> str:
    assert detector.url is not None
    return detector.name + Path(detector.url).suffix


def _download(
    detector: PublicDetector, target: Path, on_progress: Callable[[int, int | None], None]
) -> None:
    """Downloads one file, never leaving a partial file under its name."""
    assert detector.url is not None
    part, total = target.with_suffix(".part"), hashlib.sha256()
    try:
        with (
            urllib.request.urlopen(detector.url, timeout=_TIMEOUT_SECONDS) as answer,
            part.open("wb") as file,
        ):
            length = answer.headers.get("Content-Length")
            size, done = (int(length) if length else None), 0
            _require_space(target.parent, size or 0)
            while piece := answer.read(_PIECE_BYTES):
                file.write(piece)
                total.update(piece)
                done += len(piece)
                on_progress(done, size)
    except UserError:
        part.unlink(missing_ok=True)
        raise
    except OSError as error:  # URLError is one
        part.unlink(missing_ok=True)
        reason = getattr(error, "reason", None) or error.strerror or error
        raise UserError(
            f"{detector.name} cannot be fetched ({reason}): on a machine with a network download "
            f"{detector.url}, copy the file here and name it as --model"
        ) from None
    if detector.sha256 is not None and total.hexdigest() != detector.sha256:
        part.unlink()
        raise UserError(
            f"{detector.url} is not what was published (SHA-256 {total.hexdigest()}): "
            f"see {detector.page}"
        )
    shutil.move(part, target)


def _require_space(target_folder: Path, size: int) -> None:
    free = shutil.disk_usage(target_folder).free
    if free < size:
        raise UserError(
            f"the disk of {target_folder} has {free >> 20} MiB free, but {size >> 20} MiB are"
            " needed: free some space, or set DFD_MODELS to a folder on another disk"
        )
