from pathlib import Path

import pytest

from dfd.errors import UserError
from dfd.evaluation.corpus import read_manifest


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_a_split(corpus: Path) -> None:
    rows = read_manifest(corpus / "manifest.tsv", "dev")
    assert len(rows) == 12
    assert {row.split for row in rows} == {"dev"}
    assert [row.label for row in rows] == [0, 1] * 6


def test_two_columns_are_enough(tmp_path: Path) -> None:
    rows = read_manifest(write(tmp_path / "m.tsv", "file\tlabel\na.wav\tspoof\nb.wav\tbonafide\n"))
    assert [(row.file, row.label) for row in rows] == [("a.wav", 1), ("b.wav", 0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file\nx.wav\n", "no column label"),
        ("file\tlabel\nx.wav\tfake\n", "neither bonafide nor spoof"),
        ("file\tlabel\n\tspoof\n", "no file"),
        ("file\tlabel\n", "no rows"),
        ("", "no column"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_manifest(write(tmp_path / "m.tsv", text))


def test_a_missing_split(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(UserError, match="no rows of split 'eval'"):
        read_manifest(corpus / "manifest.tsv", "eval")
    with pytest.raises(UserError, match="no column split"):
        read_manifest(write(tmp_path / "m.tsv", "file\tlabel\na\tspoof\n"), "dev")


def test_a_missing_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        read_manifest(tmp_path / "none.tsv")
    (tmp_path / "b.tsv").write_bytes(b"file\tlabel\n\xff\xfe\tspoof\n")
    with pytest.raises(UserError, match="cannot read"):
        read_manifest(tmp_path / "b.tsv")
