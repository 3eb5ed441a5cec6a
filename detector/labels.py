"""Which output of a classifier means spoof."""

import re
from collections.abc import Mapping

from dfd.detector.errors import DetectorError

# Letters only, lower case: "Bona-Fide" is found as "bonafide".
_SPOOF = "spoof spoofed fake deepfake synthetic synthesized generated ai aigenerated machine cloned"
_BONAFIDE = "bonafide real genuine human authentic natural live original"
SPOOF_WORDS = frozenset(_SPOOF.split())
BONAFIDE_WORDS = frozenset(_BONAFIDE.split())


def spoof_column(id2label: Mapping[str, object], source: str) -> int:
    """Finds the spoof output among two named ones.

    Args:
        id2label: column number (as text) to label, as transformers writes it.
        source: the file it comes from, for the message.

    Raises:
        DetectorError: there are not exactly two labels, one a known word for spoof and one
            for bona fide.
    """
    sides = {str(column): _side(str(label)) for column, label in id2label.items()}
    if sides == {"0": "bonafide", "1": "spoof"}:
        return 1
    if sides == {"0": "spoof", "1": "bonafide"}:
        return 0
    found = ", ".join(f"{column} is {label!r}" for column, label in id2label.items()) or "none"
    raise DetectorError(
        f"{source}: its labels do not say which output is spoof ({found}); "
        'name them in id2label, as {"0": "bonafide", "1": "spoof"}'
    )


def _side(label: str) -> str | None:
    word = re.sub("[^a-z]", "", label.lower())
    if word in SPOOF_WORDS:
        return "spoof"
    return "bonafide" if word in BONAFIDE_WORDS else None
