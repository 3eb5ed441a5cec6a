from collections.abc import Callable
from pathlib import Path

import pytest

from dfd.errors import UserError
from dfd.evaluation.protocols import (
    PROTOCOLS,
    asvspoof2019,
    asvspoof2021,
    inthewild,
    wavefake,
)
from dfd.evaluation.trials import TrialSet
from tests.evaluation import sets

MAKERS: dict[str, Callable[[Path], Path]] = {
    "asvspoof2019-la": sets.asvspoof2019,
    "asvspoof2021-la": sets.asvspoof2021,
    "wavefake": sets.wavefake,
    "in-the-wild": sets.in_the_wild,
}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_listed_file_is_there(name: str, tmp_path: Path) -> None:
    protocol = PROTOCOLS[name]
    trials = protocol.read(MAKERS[name](tmp_path), protocol.subsets[0], None)
    assert trials.name == name
    assert all((trials.audio_root / one.file).is_file() for one in trials.recordings)


def test_2019_is_the_eval_partition(tmp_path: Path) -> None:
    trials = asvspoof2019.read(sets.asvspoof2019(tmp_path))
    assert [one.label for one in trials.recordings] == [1, 1, 1, 0, 0, 0]
    first, *_, last = trials.recordings
    assert (first.name, first.system, first.speaker) == ("LA_E_2834763", "A11", "LA_0039")
    assert last.system == "human"
    assert (trials.subset, trials.official_count) == ("eval partition", 71_237)
    assert {table.name for table in trials.tables} == {"by_attack", "by_speaker"}


def test_2019_finds_a_protocol_elsewhere(tmp_path: Path) -> None:
    sets.asvspoof2019(tmp_path / "set")
    (protocol,) = (tmp_path / "set").rglob("*.trl.txt")
    moved = protocol.rename(tmp_path / "mine.txt")
    trials = asvspoof2019.read(tmp_path / "set", "eval", moved)
    assert len(trials.recordings) == 6
    with pytest.raises(UserError, match=r"contains no ASVspoof2019\.LA\.cm\.eval\.trl\.txt"):
        asvspoof2019.read(tmp_path / "set")
    with pytest.raises(UserError, match="there is no file"):
        asvspoof2019.read(tmp_path / "set", "eval", tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("LA_0039 LA_E_1 - A11", ":1: 4 columns instead of 5"),
        ("LA_0039 LA_E_1 - A11 fake", "'fake' is neither bonafide nor spoof"),
        ("LA_0039 LA_E_1 - A11 bonafide", "attack 'A11' does not fit label 'bonafide'"),
        ("", "is empty"),
    ],
)
def test_2019_mistakes_are_one_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(line)
    with pytest.raises(UserError, match=message):
        asvspoof2019.read(tmp_path, "eval", path)


def test_a_missing_audio_folder_is_reported(tmp_path: Path) -> None:
    sets.asvspoof2019(tmp_path)
    for file in tmp_path.rglob("*.flac"):
        file.unlink()
    with pytest.raises(UserError, match="no audio of the listed utterances"):
        asvspoof2019.read(tmp_path)


def test_a_single_class_is_reported(tmp_path: Path) -> None:
    sets.asvspoof2019(tmp_path, sets.LA19[:3])
    with pytest.raises(UserError, match="no bona fide recording"):
        asvspoof2019.read(tmp_path)


def test_an_utterance_listed_twice_is_reported(tmp_path: Path) -> None:
    sets.asvspoof2019(tmp_path, [*sets.LA19, sets.LA19[0]])
    with pytest.raises(UserError, match="LA_E_2834763 is listed twice"):
        asvspoof2019.read(tmp_path)


@pytest.mark.parametrize(
    ("subset", "count", "official"),
    [("eval", 4, 148_176), ("progress", 2, None), ("hidden", 2, None), ("all", 8, 181_566)],
)
def test_2021_partitions(tmp_path: Path, subset: str, count: int, official: int | None) -> None:
    trials = asvspoof2021.read(sets.asvspoof2021(tmp_path), subset)
    assert (len(trials.recordings), trials.official_count) == (count, official)


def test_2021_keeps_the_channel(tmp_path: Path) -> None:
    first, second, *_ = asvspoof2021.read(sets.asvspoof2021(tmp_path)).recordings
    assert (first.codec, first.transmission, first.system) == ("alaw", "ita_tx", "A07")
    assert (second.label, second.system) == (0, "human")


def test_2021_refuses_another_partition(tmp_path: Path) -> None:
    path = tmp_path / "trial_metadata.txt"
    path.write_text("LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim train\n")
    with pytest.raises(UserError, match="partition 'train' is not one of"):
        asvspoof2021.read(tmp_path)


def test_wavefake_compares_each_voice_with_itself(tmp_path: Path) -> None:
    trials = wavefake.read(sets.wavefake(tmp_path))
    assert [one.source for one in trials.recordings if one.label == 0] == [
        "LJSpeech",
        "LJSpeech",
        "JSUT",
    ]
    assert {one.system: one.source for one in trials.recordings if one.label} == {
        "ljspeech_melgan": "LJSpeech",
        "ljspeech_hifiGAN": "LJSpeech",
        "jsut_parallel_wavegan": "JSUT",
        "ljspeech_common_voices_prompts_from_conformer_fastspeech2_pwg": "LJSpeech",
    }


def test_wavefake_of_one_voice(tmp_path: Path) -> None:
    trials = wavefake.read(sets.wavefake(tmp_path), "jsut")
    assert {one.source for one in trials.recordings} == {"JSUT"}
    assert len(trials.recordings) == 2


def test_wavefake_needs_the_bona_fide_voices(tmp_path: Path) -> None:
    sets.wavefake(tmp_path)
    (tmp_path / "jsut_ver1.1").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="no bona fide recordings of JSUT"):
        wavefake.read(tmp_path)
    with pytest.raises(UserError, match="no folder of generated audio"):
        wavefake.read(tmp_path / "LJSpeech-1.1")


def test_in_the_wild(tmp_path: Path) -> None:
    trials = inthewild.read(sets.in_the_wild(tmp_path))
    assert [one.label for one in trials.recordings] == [1, 0, 1, 0]
    assert trials.recordings[0].speaker == "Alec Guinness"
    assert trials.recordings[0].name == "0.wav"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,speaker\n0.wav,x\n", "no column label"),
        ("file,speaker,label\n0.wav,x,fake\n", ":2: label 'fake'"),
        ("file,speaker,label\n,x,spoof\n", ":2: no file"),
    ],
)
def test_in_the_wild_mistakes_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "meta.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        inthewild.read(tmp_path)


def test_the_digest_depends_on_the_list(tmp_path: Path) -> None:
    trials = asvspoof2019.read(sets.asvspoof2019(tmp_path))
    shorter = TrialSet("x", "x", trials.recordings[1:], tmp_path, tmp_path)
    assert trials.sha256 != shorter.sha256
    assert trials.sha256 == TrialSet("y", "y", trials.recordings, tmp_path, tmp_path).sha256
