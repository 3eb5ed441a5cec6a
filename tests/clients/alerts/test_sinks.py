import json
from pathlib import Path

import pytest

from dfd.clients import events as ev
from dfd.clients.alerts.sinks import JsonLinesSink, Sinks
from dfd.errors import UserError

LOST = ev.AudioLost(1.0, 0.5)


def test_every_event_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "events.jsonl"
    with Sinks([JsonLinesSink(path), JsonLinesSink("-")]) as sinks:
        sinks.emit("s-1", LOST)
        sinks.emit("s-2", LOST, file="ü.wav")
        assert len(path.read_text().splitlines()) == 2  # at once, not at the end
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[0] == {
        "stream_id": "s-1",
        "audio_lost": {"offset": "1s", "lost_duration": "0.5s"},
    }
    assert lines[1]["file"] == "ü.wav"
    assert capsys.readouterr().out == path.read_text(encoding="utf-8")


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF....")
    with pytest.raises(UserError, match="does not contain JSON lines"):
        JsonLinesSink(path)
    assert path.read_bytes() == b"RIFF...."
    path.write_text("{}\n")
    JsonLinesSink(path).close()
    assert path.read_text() == ""


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        JsonLinesSink(tmp_path / "none" / "events.jsonl")
    with pytest.raises(UserError, match="cannot be written"):
        JsonLinesSink(tmp_path / "events.jsonl" / "x")
    JsonLinesSink("/dev/null").close()
