import json
import sys
from pathlib import Path

import pytest

from dfd.clients.alerts.command import CommandSink
from dfd.errors import UserError
from tests.clients import said

ALERT = said.alert()


def test_each_event_runs_the_command(tmp_path: Path) -> None:
    out, said = tmp_path / "out", list[str]()
    sink = CommandSink(f"sh -c 'cat >> {out}'", said.append)
    sink.emit("s", ALERT, call="7")
    sink.emit("s", ALERT)
    sink.close()
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["alert"]["trigger"] for line in lines] == ["TRIGGER_ROLLING"] * 2
    assert lines[0]["call"] == "7"
    assert said == []


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("/no/such/program", "cannot be run"),
        (f"{sys.executable} -c 'import sys; sys.exit(3)'", "failed with status 3"),
        ("sleep 60", "took more than 0.2 s"),
    ],
)
def test_a_failing_command_is_reported(command: str, complaint: str) -> None:
    said: list[str] = []
    sink = CommandSink(command, said.append, timeout_seconds=0.2 if "sleep" in command else 30)
    sink.emit("s", ALERT)
    sink.close()
    assert len(said) == 1
    assert complaint in said[0]


def test_a_slow_command_blocks_nothing() -> None:
    said: list[str] = []
    sink = CommandSink("sleep 0.05", said.append)
    for _ in range(300):
        sink.emit("s", ALERT)
    assert any("dropped" in line for line in said)


def test_a_command_that_cannot_be_read() -> None:
    for command in ("", "sh -c 'open"):
        with pytest.raises(UserError):
            CommandSink(command, print)
