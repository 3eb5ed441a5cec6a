import hashlib
import importlib.util
from pathlib import Path

import pytest

from dfd.detector.watermarks import schemes
from dfd.errors import UserError


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No cache holds any weights."""
    monkeypatch.setenv("AUDIOSEAL_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None, raising=False)
    return tmp_path


def test_an_empty_list_names_no_scheme() -> None:
    assert schemes.named("") == schemes.named(" , ") == ()


def test_an_unknown_scheme_is_refused_with_the_known_ones() -> None:
    message = "sonar is not a watermark that can be read: use perth, audioseal"
    with pytest.raises(UserError, match=message):
        schemes.named("sonar")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'dfd\[watermark\]'"):
        schemes.named("perth")


def test_weights_that_are_nowhere(empty: Path) -> None:
    with pytest.raises(UserError, match=r"download detector_base\.pth .*audioseal=FILE"):
        schemes.named("audioseal")
    with pytest.raises(UserError, match=f"weights of the watermark audioseal are missing: {empty}"):
        schemes.named(f"audioseal={empty}/none.pth")


@pytest.mark.parametrize("words", ["perth=file.pth", "audioseal="])
def test_what_names_no_weights_is_refused(words: str) -> None:
    with pytest.raises(UserError, match=f"{words} names no weights"):
        schemes.named(words)


def test_weights_of_a_file_and_of_the_packages_cache(empty: Path) -> None:
    file = empty / "mine.pth"
    file.touch()
    (scheme,) = schemes.named(f" audioseal={file}, audioseal={file} ")
    assert (scheme.name, scheme.weights) == ("audioseal", file)
    assert schemes.named(str(scheme)) == (scheme,)
    url = "/facebook/audioseal/resolve/main/detector_base.pth"
    cached = empty / "audioseal" / hashlib.sha1(url.encode()).hexdigest()[:24]
    cached.parent.mkdir()
    cached.touch()
    assert schemes.named("audioseal")[0].weights == cached
