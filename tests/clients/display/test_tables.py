import io
from collections import Counter

import pytest
from rich.console import Console
from rich.text import Text

from dfd.clients.display.tables import Column, fitted, number, verdict_text


def columns() -> list[Column]:
    made = [
        Column("file", least=12),
        Column("verdict", least=14),
        Column("P", right=True),
        Column("seconds", right=True, rank=1),
        Column("windows", right=True, rank=2),
    ]
    rows = [
        ("a-call-with-a-rather-long-name-2026-11-21.wav", "spoof", 0.9712, 61.5, 30),
        ("b.wav", "inconclusive", 0.5, 7.0, 3),
        ("c.wav", "bonafide", 0.0123, 8.25, 4),
    ]
    for name, verdict, p, seconds, windows in rows:
        reasons = ["EVIDENCE_WEAK", "NEW_REASON"] if verdict == "inconclusive" else []
        cells: list[Text | str] = [name, verdict_text(verdict, reasons), number(p)]
        cells += [number(seconds, 1), str(windows)]
        for column, cell in zip(made, cells, strict=True):
            column.add(cell)
    return made


def drawn(width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None, legacy_windows=False)
    console.print(fitted(columns(), width, title="P: 1 is synthetic"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [46, 60, 80, 140])
def test_no_number_and_no_verdict_is_cut_at_any_width(width: int) -> None:
    text = drawn(width)
    assert all(len(line) <= width for line in text.splitlines())
    for word in ("0.971", "0.500", "0.012", "synthetic", "human", "cannot tell", "weak"):
        assert word in text
    assert "…" not in text
    assert "new reason" in text


@pytest.mark.parametrize("width", range(68, 90))
def test_no_letter_of_a_folded_word_is_lost(width: int) -> None:
    words = [
        "antideepfake-w2v-small",
        "In-the-Wild",
        "CC-BY-NC-SA-4.0",
        "https://example.org/ab/cd",
    ]
    made = [Column("name"), *(Column(name, least=12) for name in ("EER", "licence", "page"))]
    for column, word in zip(made, words, strict=True):
        column.add(word)
    console = Console(width=width, file=io.StringIO(), color_system=None, legacy_windows=False)
    console.print(fitted(made, width))
    assert isinstance(console.file, io.StringIO)
    assert not Counter("".join(words)) - Counter(console.file.getvalue())


def test_columns_omitted_for_the_width_are_listed() -> None:
    assert "left out" not in drawn(80)
    assert "columns left out to fit: windows" in drawn(54)
    narrow = drawn(44)
    assert "columns left out to fit: seconds, windows" in " ".join(narrow.split())
    assert "61.5" not in narrow


def test_verdicts_use_one_set_of_words() -> None:
    assert verdict_text("spoof").plain == "synthetic"
    assert verdict_text("bonafide").plain == "human"
    assert verdict_text("inconclusive").plain == "cannot tell"
    assert verdict_text(None).plain == "-"
