"""Every wait over a second shows its reason, in a pipe as lines."""

import io
import re
import sys
import threading

import pytest
from rich.console import Console

from dfd.cli import _waiting
from dfd.cli._waiting import Waits


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the delays, so that tests need not wait seconds."""
    monkeypatch.setattr(_waiting, "_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(_waiting, "_EVERY_SECONDS", 0.01)


class Pipe(io.StringIO):
    """Standard error whose lines a test can wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Condition()

    def write(self, text: str) -> int:
        with self.told:
            self.told.notify_all()
            return super().write(text)

    def until(self, pattern: str) -> None:
        with self.told:
            assert self.told.wait_for(lambda: re.search(pattern, self.getvalue()), 20)


@pytest.mark.usefixtures("quick")
def test_in_a_pipe_a_wait_is_reported_repeatedly(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe()
    monkeypatch.setattr(sys, "stderr", pipe)
    waits = Waits("detect")
    with waits.bar("loading the model"):
        pipe.until(r"(dfd detect: loading the model, 0 s so far\n){2}")
    with waits.bar("scoring", 3) as tick:
        tick(1, "a.wav")
        pipe.until("dfd detect: scoring: 1 of 3, a.wav, 0 s so far\n")


@pytest.mark.usefixtures("quick")
def test_in_a_pipe_the_innermost_wait_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe()
    monkeypatch.setattr(sys, "stderr", pipe)
    waits = Waits("detect")
    with waits.bar("scoring", 3), waits.bar("loading the model"):
        begun = len(pipe.getvalue())
        pipe.until(r"(dfd detect: loading the model, 0 s so far\n){3}")
        assert "scoring" not in pipe.getvalue()[begun:]


def test_a_short_wait_is_not_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with Waits("detect").bar("loading the model"):
        pass
    assert capsys.readouterr() == ("", "")


def test_an_error_ends_the_wait(capsys: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="x"), Waits("detect").bar("loading the model"):
        raise ValueError("x")
    assert threading.active_count() == before


def test_on_a_terminal_it_is_drawn_in_place_and_leaves_nothing() -> None:
    waits = Waits("detect")
    screen = io.StringIO()
    waits._console = Console(file=screen, force_terminal=True, width=80)
    with waits.bar("loading the model"), waits.bar("scoring", 3) as tick:
        tick(2, "a.wav")
        waits.say("one line that stays")
        assert waits._progress is not None
        waits._progress.refresh()
    seen = screen.getvalue()
    for word in ("loading the model", "scoring", "2 of 3", "a.wav", "one line that stays"):
        assert word in seen
    # both lines are cleared, and the cursor is visible again
    assert seen.endswith("\r\x1b[2K\x1b[1A\x1b[2K\x1b[?25h\r")
