import shutil
from pathlib import Path

import pytest

from dfd.errors import UserError
from dfd.evaluation.corpus import Recording
from dfd.training.material.splits import Splits, corpus_splits, protocol_splits, sources


def lay_out(corpus: Path, root: Path) -> Path:
    """Writes the corpus in the layout of the unpacked ASVspoof 2019 LA."""
    protocols = root / "ASVspoof2019_LA_cm_protocols"
    protocols.mkdir(parents=True)
    for split, ending in (("train", "train.trn"), ("dev", "dev.trl")):
        flac = root / f"ASVspoof2019_LA_{split}" / "flac"
        flac.mkdir(parents=True)
        lines = []
        for index in range(12):
            name = f"LA_{split[0].upper()}_{index:07d}"
            shutil.copy(corpus / f"{split}-{index}.flac", flac / f"{name}.flac")
            fate = "- bonafide" if index % 2 == 0 else f"A0{1 + index % 3} spoof"
            lines.append(f"LA_00{index % 4:02d} {name} - {fate}")
        name = f"ASVspoof2019.LA.cm.{ending}.txt"
        (protocols / name).write_text("\n".join(lines) + "\n")
    return root


def test_manifest_splits(corpus: Path) -> None:
    splits = corpus_splits(corpus)
    assert (len(splits.train), len(splits.dev)) == (12, 12)
    assert sources(splits.train) == [("made/0", 3, 3), ("made/1", 3, 3)]


def test_protocol_splits(corpus: Path, tmp_path: Path) -> None:
    splits = protocol_splits("asvspoof2019-la", lay_out(corpus, tmp_path))
    assert (splits.name, len(splits.train), len(splits.dev)) == ("asvspoof2019-la", 12, 12)
    spoof = splits.train[1]
    assert (spoof.label, spoof.system, spoof.source) == (1, "A02", "asvspoof2019-la")
    assert (splits.root / spoof.file).exists()
    assert splits.dev[0].split == "dev"


def test_protocol_without_lists_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.trn\.txt"):
        protocol_splits("asvspoof2019-la", tmp_path)


def test_other_protocols_have_no_training_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no training data in 'wavefake'"):
        protocol_splits("wavefake", tmp_path)


def test_a_split_of_one_label_is_refused(tmp_path: Path) -> None:
    human, spoof = Recording("a", 0), Recording("b", 1)
    with pytest.raises(UserError, match="mine, split dev: no bona fide recordings"):
        Splits("mine", tmp_path, (human, spoof), (spoof,))
