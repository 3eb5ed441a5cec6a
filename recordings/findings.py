"""Problems found in an input that could be read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    """The kind of problem.

    Attributes:
        CUT: the input ends before the length stated in its header, or without its end mark.
        DAMAGED: part of it cannot be decoded, or is missing in the middle.
        LEFT: some of its audio was not read.
        CHANGED: a later part had another rate or other channels and was converted to the first's.
    """

    CUT = "cut"
    DAMAGED = "damaged"
    LEFT = "left"
    CHANGED = "changed"

    @property
    def incomplete(self) -> bool:
        """Whether audio is missing from what was read."""
        return self is not FindingKind.CHANGED


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem, as a clause that can follow a file's name and a colon."""

    kind: FindingKind
    message: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.message}"
