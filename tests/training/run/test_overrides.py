import json
from pathlib import Path

import pytest

from dfd.errors import UserError
from dfd.training.finetune.recipe import TWO_STAGE, XLSR_HALF
from dfd.training.frozen.recipe import FROZEN_RECIPES
from dfd.training.run.overrides import override, read_changes


def test_changes_are_made_by_path() -> None:
    made = override(
        TWO_STAGE,
        {"class_weights": [3, 1], "stages": {"top": {"epochs": 2, "parts": ["positions"]}}},
    )
    assert made.class_weights == (3.0, 1.0)
    assert (made.stages[1].epochs, made.stages[1].parts) == (2, ("positions",))
    assert made.stages[0] == TWO_STAGE.stages[0]


def test_nested_groups_and_whole_numbers_for_numbers() -> None:
    made = override(FROZEN_RECIPES["contrastive"], {"contrastive": {"margin": 2}, "folds": 3})
    assert made.contrastive.margin == 2.0
    assert isinstance(made.contrastive.margin, float)
    assert made.folds == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 1}, "no option epochs; choose from: best_by,"),
        ({"name": "mine"}, "no option name"),
        ({"stages": {"middle": {}}}, "no stages.middle; choose from: head, top"),
        ({"stages": 3}, "stages is a group"),
        ({"stages": {"top": {"epochs": 1.5}}}, "stages.top.epochs is 1.5; it must be a whole"),
        ({"stages": {"top": {"epochs": 0}}}, "stages.top.epochs is 0; it must be 1 or more"),
        ({"normalise": 1}, "normalise is 1; it must be true or false"),
        ({"best_by": "luck"}, "best_by is 'luck'; it must be 'eer' or 'auc'"),
        ({"class_weights": [1, 2, 3]}, "class_weights is [1, 2, 3]"),
        ({"noise_snr_db": "loud"}, "noise_snr_db is 'loud'; it must be a list of 2"),
        ({"head_dropout": 1.0}, "head_dropout must be from 0 to 1"),
    ],
)
def test_impossible_changes_are_one_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        override(TWO_STAGE, changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_take_precedence_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "o.toml"
    file.write_text("best_by = 'eer'\n[stages.top]\nepochs = 2\nbatch = 8\n")
    changes = read_changes(file, ["stages.top.epochs=4", "start=random", "normalise=false"])
    made = override(XLSR_HALF, changes)
    assert (made.best_by, made.start, made.normalise) == ("eer", "random", False)
    assert (made.stages[0].epochs, made.stages[0].batch) == (4, 8)


def test_json_options(tmp_path: Path) -> None:
    file = tmp_path / "o.json"
    file.write_text(json.dumps({"head_size": 12}))
    assert read_changes(file, []) == {"head_size": 12}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("o.toml", "a = ", "is not TOML"),
        ("o.json", "{", "is not JSON"),
        ("o.json", "[1]", "does not contain a table"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        read_changes(tmp_path / name, [])


@pytest.mark.parametrize(
    ("settings", "message"),
    [(["epochs"], "not NAME=VALUE"), (["a=1", "a.b=2"], "a is a value, not a group")],
)
def test_broken_settings_are_named(settings: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_changes(None, settings)
