from pathlib import Path

import pytest

from dfd.detector import load_detector, precision, start_cache
from dfd.detector.start_cache import recall, remember

from .conftest import BUCKETS


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DFD_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_results_are_recalled_only_under_the_same_conditions() -> None:
    assert recall("speed", {"cpu": "a"}) is None
    remember("speed", {"cpu": "a"}, [1, 2])
    remember("size", {"cpu": "a"}, 3)
    assert recall("speed", {"cpu": "a"}) == [1, 2]
    assert recall("speed", {"cpu": "b"}) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_broken_file_is_forgotten(content: str, cache: Path) -> None:
    cache.mkdir()
    (cache / "models.json").write_text(content)
    assert recall("speed", {}) is None
    remember("speed", {}, 1)
    assert recall("speed", {}) == 1


def test_an_unwritable_folder_is_not_an_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write_text("a file where the folder should be")
    remember("speed", {}, 1)
    assert recall("speed", {}) is None


def test_the_file_does_not_grow_without_end() -> None:
    for number in range(start_cache._MOST_ENTRIES + 1):
        remember("speed", {"number": number}, number)
    assert recall("speed", {"number": 0}) is None
    assert recall("speed", {"number": start_cache._MOST_ENTRIES}) == start_cache._MOST_ENTRIES


def test_a_rejected_precision_is_not_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"avx512_bf16"}))
    for tried in (True, False):
        caplog.clear()
        loaded = load_detector(
            str(folder), device="cpu", tolerance=1e-9, batch_buckets=BUCKETS, warm=False
        )
        assert loaded.spec.precision == "fp32"
        assert ("bf16 differs from fp32" in caplog.text) is tried
