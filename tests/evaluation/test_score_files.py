from pathlib import Path

import numpy as np
import pytest

from dfd.errors import UserError
from dfd.evaluation.corpus import Recording
from dfd.evaluation.score_files import match, read_scores, recordings_of, write_scores

ROWS = [
    Recording("flac/LA_E_1.flac", 1, system="A07", utterance="LA_E_1"),
    Recording("flac/LA_E_2.flac", 0, system="human", utterance="LA_E_2"),
    Recording("flac/LA_E_3.flac", 1, system="A08", utterance="LA_E_3"),
]
LLRS = np.array([2.5, -1.25, np.nan])


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("2019", "LA_E_1 A07 spoof -2.500000\nLA_E_2 - bonafide 1.250000\n"),
        ("2021", "LA_E_1 -2.500000\nLA_E_2 1.250000\n"),
    ],
)
def test_higher_is_bona_fide_by_default(tmp_path: Path, form: str, text: str) -> None:
    path = tmp_path / "new" / "scores.txt"
    write_scores(path, ROWS, LLRS, form=form)
    assert path.read_text() == text
    scores, left_over = match(read_scores(path), ROWS, path)
    assert scores[:2].tolist() == [2.5, -1.25]
    assert np.isnan(scores[2])
    assert left_over == 0


def test_the_other_sign(tmp_path: Path) -> None:
    path = tmp_path / "scores.txt"
    write_scores(path, ROWS, LLRS, form="2021", higher_means="spoof")
    assert path.read_text().startswith("LA_E_1 2.5")
    assert read_scores(path, higher_means="spoof")["LA_E_1"].score == 2.5
    assert read_scores(path)["LA_E_1"].score == -2.5


def test_names_may_contain_blanks(tmp_path: Path) -> None:
    rows = [Recording("a b.wav", 1, system="tts: x"), Recording("c d e.wav", 0)]
    for form in ("2019", "2021"):
        path = tmp_path / form
        write_scores(path, rows, np.array([1.0, -1.0]), form=form)
        assert match(read_scores(path), rows, path)[0].tolist() == [1.0, -1.0]


def test_lines_without_a_trial_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "scores.txt"
    path.write_text("LA_E_1 1.0\nLA_E_9 2.0\n\n")
    scores, left_over = match(read_scores(path), ROWS, path)
    assert left_over == 1
    assert np.isnan(scores).tolist() == [False, True, True]


def test_a_file_may_list_its_own_trials(tmp_path: Path) -> None:
    path = tmp_path / "scores.txt"
    write_scores(path, ROWS[:2], LLRS[:2])
    rows = recordings_of(read_scores(path), path)
    assert [(row.name, row.label, row.system) for row in rows] == [
        ("LA_E_1", 1, "A07"),
        ("LA_E_2", 0, "human"),
    ]
    write_scores(path, ROWS, LLRS, form="2021")
    with pytest.raises(UserError, match="has no labels"):
        recordings_of(read_scores(path), path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("LA_E_1 1.0\nLA_E_1 1.0\n", ":2: LA_E_1 has a score on an earlier line"),
        ("LA_E_1\n", ":1: a line must be"),
        ("LA_E_1 high\n", ":1: a line must be"),
        ("LA_E_1 inf\n", ":1: a line must be"),
        ("\n", "contains no scores"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "scores.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_scores(path)


def test_files_that_do_not_fit_the_trials(tmp_path: Path) -> None:
    path = tmp_path / "scores.txt"
    path.write_text("LA_E_1 - bonafide 1.0\n")
    with pytest.raises(UserError, match="LA_E_1 is labelled bonafide, but spoof in the list"):
        match(read_scores(path), ROWS, path)
    path.write_text("DF_E_1 1.0\n")
    with pytest.raises(UserError, match="no score for any of the listed trials"):
        match(read_scores(path), ROWS, path)
    with pytest.raises(UserError, match="cannot read"):
        read_scores(tmp_path / "none.txt")
