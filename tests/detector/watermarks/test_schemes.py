import importlib.util

import pytest

from dfd.detector.watermarks import schemes
from dfd.errors import UserError


def test_no_words_name_none() -> None:
    assert schemes.named("") == schemes.named(" , ") == ()


def test_an_unknown_scheme_is_refused_with_what_there_is() -> None:
    with pytest.raises(UserError, match="sonar is not a watermark that can be read: use perth"):
        schemes.named("sonar")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'dfd\[watermark\]'"):
        schemes.named("perth")
