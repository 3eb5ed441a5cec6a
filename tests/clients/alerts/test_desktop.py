import sys
from pathlib import Path

import pytest

from dfd.clients import events as ev
from dfd.clients.alerts.desktop import DesktopSink
from dfd.errors import UserError
from dfd.v1 import detection_pb2 as pb

SCORE = ev.Score(0.93, 2.6, 3.0)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="notify-send is Linux's")


def alert(*, cleared: bool = False) -> ev.Alert:
    return ev.Alert(ev.Trigger.ROLLING, 0, 65.0, SCORE, 0.88, cleared, proto=pb.Alert())


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns the arguments of the desktop's program, since tests run without a desktop."""
    program, said = tmp_path / "notify-send", tmp_path / "said"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {said}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return said


def test_an_alert_is_shown_and_its_end_is_not(said: Path) -> None:
    sink = DesktopSink()
    sink.emit("s", ev.SpeechActivity(0, True, 1.0, proto=pb.SpeechActivity()))
    sink.emit("s", alert())
    sink.emit("s", alert(cleared=True))
    sink.close()
    assert said.read_text().splitlines() == [
        "--app-name=dfd",
        "--urgency=critical",
        "This voice sounds synthetic",
        "At 1:05: rolling score 0.93 reached 0.88.",
    ]


def test_a_failing_desktop_does_not_stop_the_run(said: Path) -> None:
    sink = DesktopSink()
    (said.parent / "notify-send").unlink()
    sink.emit("s", alert())
    sink.close()


def test_a_system_without_notifications(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="install libnotify-bin"):
        DesktopSink()
