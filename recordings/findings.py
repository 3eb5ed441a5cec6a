"""What a reader has to say about an input that it could read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    """What is the matter.

    Attributes:
        CUT: the input ends before the length that its header promises, or without its end mark.
        DAMAGED: part of it cannot be decoded, or is missing between what could.
        LEFT: audio that is there and was not read.
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
    """One thing found, in a clause that can stand behind a file's name and a colon."""

    kind: FindingKind
    message: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.message}"
