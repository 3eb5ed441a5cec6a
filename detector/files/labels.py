"""Which output of a classifier means spoof."""

import re
from collections.abc import Mapping

from dfd.errors import UserError

# Labels are compared as lower-case letters: "Bona-Fide" as "bonafide", "Human voice" as "human".
_SPOOF = "spoof spoofed fake deepfake synthetic synthesized generated ai aigenerated machine cloned"
_BONAFIDE = "bonafide real genuine human authentic natural live original"
SPOOF_WORDS = frozenset(_SPOOF.split())
BONAFIDE_WORDS = frozenset(_BONAFIDE.split())
_NEUTRAL = re.compile("voice|speech|audio")


def spoof_column(
    id2label: Mapping[str, object], source: str, wanted: str | None = None
) -> tuple[int, str]:
    """Finds the spoof output among two labelled ones.

    Args:
        id2label: column number (as text) to label, as transformers writes it.
        source: the file it comes from, for the message.
        wanted: the label or number of the spoof output, if it is given.

    Returns:
        The column, 0 or 1, and words for it.

    Raises:
        UserError: if there are not exactly two labels, none is the wanted one, or, where none is
            wanted, they are not a known word for spoof and one for bona fide.
    """
    labels = {str(column): str(label) for column, label in id2label.items()}
    found = ", ".join(f"{column} is {label!r}" for column, label in labels.items()) or "none"
    if wanted is not None:
        return _named(labels, wanted, f"{source}: {found}" if labels else source)
    sides = {column: _side(label) for column, label in labels.items()}
    for column in (0, 1):
        if sides == {str(column): "spoof", str(1 - column): "bonafide"}:
            return column, f"{column} ({labels[str(column)]})"
    raise UserError(
        f"{source}: its labels do not say which output is spoof ({found}); name it with "
        '--spoof-label, or label the outputs in id2label: {"0": "bonafide", "1": "spoof"}'
    )


def _named(labels: Mapping[str, str], wanted: str, found: str) -> tuple[int, str]:
    """Returns the column with a label or a number."""
    if labels and labels.keys() != {"0", "1"}:
        raise UserError(f"{found}; a detector must have exactly two outputs, 0 and 1")
    fitting = [column for column, label in labels.items() if label.lower() == wanted.lower()]
    if not fitting and wanted in ("0", "1"):
        fitting = [wanted]
    if len(fitting) != 1:
        raise UserError(
            f"{found}; none of its outputs is {wanted!r}: name the spoof output by its label, "
            "or as 0 or 1"
        )
    column = fitting[0]
    return int(column), f"{column} ({labels[column]})" if labels else column


def _side(label: str) -> str | None:
    word = re.sub("[^a-z]", "", label.lower())
    for form in (word, _NEUTRAL.sub("", word)):
        if form in SPOOF_WORDS:
            return "spoof"
        if form in BONAFIDE_WORDS:
            return "bonafide"
    return None
