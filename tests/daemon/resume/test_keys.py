import os
import stat
from pathlib import Path

import pytest

from dfd.daemon.resume.keys import VARIABLE, read_keys, share_with_children
from dfd.errors import UserError

ONE, OTHER = "a" * 32, "b" * 40


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("STATE_DIRECTORY", VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_file_has_one_key_per_line(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# of May\n{ONE}\n\n{OTHER}\n")
    one, other = read_keys(path)
    path.write_text(f"{OTHER}\n")
    assert read_keys(path) == (other,)
    assert one != other


@pytest.mark.parametrize("content", ["", "# nothing\n", "short\n", f"{ONE}\nshort\n"])
def test_a_file_without_a_proper_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys"
    path.write_text(content)
    with pytest.raises(UserError, match="openssl rand -hex 32") as caught:
        read_keys(path)
    assert "short" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the resume key"):
        read_keys(tmp_path / "missing")


def test_the_environment_contains_the_secret_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    path.write_text(ONE)
    monkeypatch.setenv(VARIABLE, ONE)
    assert read_keys(None) == read_keys(path)


def test_a_key_is_made_once_and_readable_only_by_its_owner(state: Path) -> None:
    made = read_keys(None)
    path = state / "dfd" / "resume.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_keys(None) == made
    assert [one.name for one in path.parent.iterdir()] == ["resume.key"]


def test_systemd_names_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "var"))
    assert read_keys(None) == read_keys(tmp_path / "var" / "resume.key")


def test_without_a_state_folder_there_is_a_temporary_key(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    (one,), (other,) = read_keys(None), read_keys(None)
    assert one != other
    assert "--resume-key" in caplog.text
    share_with_children()
    assert VARIABLE in os.environ
    assert read_keys(None) == read_keys(None)
