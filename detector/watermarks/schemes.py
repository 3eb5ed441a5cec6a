"""The watermarks that can be read, by name; imports no torch."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from dfd.errors import UserError

PERTH, AUDIOSEAL = "perth", "audioseal"
# scheme -> the confidence from which its mark counts as found (docs/provenance.md)
_THRESHOLDS = {PERTH: 0.9, AUDIOSEAL: 0.5}
_PERTH_WEIGHTS = Path("perth_net", "pretrained", "implicit", "perth_net_250000.pth.tar")
_HUB_ID, _HUB_FILE = "facebook/audioseal", "detector_base.pth"


@dataclass(frozen=True, slots=True)
class Scheme:
    """A watermark to read.

    Attributes:
        name: name of the scheme.
        threshold: confidence from which its mark counts as found.
        weights: path of the reader's weights.
    """

    name: str
    threshold: float
    weights: Path

    def __str__(self) -> str:
        """Returns the scheme in the form that `named` takes."""
        return self.name if self.name == PERTH else f"{self.name}={self.weights}"


def named(words: str) -> tuple[Scheme, ...]:
    """Returns the schemes of a comma-separated list; none for an empty one.

    Args:
        words: names; `audioseal=FILE` says where its weights are.

    Raises:
        UserError: if one is unknown, or its weights are missing.
    """
    schemes: dict[str, Scheme] = {}
    for word in filter(None, (word.strip() for word in words.split(","))):
        name, equals, file = word.partition("=")
        if name not in _THRESHOLDS:
            raise UserError(
                f"{name} is not a watermark that can be read: use {', '.join(_THRESHOLDS)}"
            )
        if equals and (name == PERTH or not file):
            raise UserError(
                f"{word} names no weights: use perth, whose weights come with its package, or"
                " audioseal=FILE"
            )
        weights = Path(file).expanduser().absolute() if file else weights_of(name)
        if not weights.is_file():
            raise UserError(f"the weights of the watermark {name} are missing: {weights}")
        schemes[name] = Scheme(name, _THRESHOLDS[name], weights)
    return tuple(schemes.values())


def weights_of(scheme: str) -> Path:
    """Returns the default place of a scheme's weights: its package, or a cache.

    Raises:
        UserError: if they are not there.
    """
    if scheme == PERTH:
        found = importlib.util.find_spec("perth")
        if found is None or found.origin is None:
            raise UserError(
                "the watermark perth cannot be read without its package:"
                " pip install 'dfd[watermark]'"
            )
        return Path(found.origin).parent / _PERTH_WEIGHTS
    cached = _cached()
    if cached is None:
        raise UserError(
            f"the watermark audioseal cannot be read without its weights: download {_HUB_FILE} from"
            f" https://huggingface.co/{_HUB_ID} and use audioseal=FILE"
        )
    return cached


def _cached() -> Path | None:
    """Returns AudioSeal's weights where its own package, or the hub's library, puts them."""
    given = os.environ.get("AUDIOSEAL_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    cache = Path(given) if given else Path.home() / ".cache"
    # the package names the file by the path of its URL
    place = hashlib.sha1(f"/{_HUB_ID}/resolve/main/{_HUB_FILE}".encode(), usedforsecurity=False)
    own = cache / "audioseal" / place.hexdigest()[:24]
    if own.is_file():
        return own
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(_HUB_ID, _HUB_FILE)
    return Path(path) if isinstance(path, str) else None
