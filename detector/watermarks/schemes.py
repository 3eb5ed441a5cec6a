"""The watermarks that can be read, by name; imports no torch."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from dfd.errors import UserError

PERTH = "perth"
# scheme -> the package that it needs
PACKAGES = {PERTH: "perth"}
# scheme -> the confidence from which its mark counts as found (docs/provenance.md)
_THRESHOLDS = {PERTH: 0.9}


@dataclass(frozen=True, slots=True)
class Scheme:
    """A watermark to read.

    Attributes:
        name: name of the scheme.
        threshold: confidence from which its mark counts as found.
    """

    name: str
    threshold: float


def named(words: str) -> tuple[Scheme, ...]:
    """Returns the schemes of a comma-separated list; none for an empty one.

    Raises:
        UserError: if one is unknown, or its package is not installed.
    """
    schemes = []
    for name in dict.fromkeys(word.strip() for word in words.split(",") if word.strip()):
        if name not in _THRESHOLDS:
            raise UserError(
                f"{name} is not a watermark that can be read: use {', '.join(_THRESHOLDS)}"
            )
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise UserError(
                f"the watermark {name} cannot be read without its package:"
                " pip install 'dfd[watermark]'"
            )
        schemes.append(Scheme(name, _THRESHOLDS[name]))
    return tuple(schemes)
