import json
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfd.clients.alerts.command import CommandSink
from dfd.clients.alerts.on_alert import on_alert
from dfd.clients.alerts.spool import Spool
from dfd.clients.alerts.webhook import DELIVERY_HEADER, WebhookSink
from dfd.errors import UserError
from tests.clients.alerts.test_on_alert import ALERT, Receiver
from tests.waiting import wait_until


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def streams(receiver: Receiver) -> list[str]:
    return [json.loads(body)["stream_id"] for _, body in receiver.got]


def test_waiting_events_are_delivered_by_the_next_run(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [503, 503]
    sink = WebhookSink(receiver.url, "secret", spool=Spool(tmp_path, receiver.url))
    sink.emit("s-1", ALERT)
    sink.emit("s-2", ALERT)
    wait_until(lambda: len(receiver.got) == 2)
    sink.close()
    assert "2 not delivered yet; they wait in" in caplog.text
    first = {headers[DELIVERY_HEADER] for headers, _ in receiver.got}
    receiver.got.clear()
    sink = WebhookSink(receiver.url, "secret", spool=Spool(tmp_path, receiver.url))
    wait_until(lambda: sink.workers.done == 2)
    sink.close()
    assert sorted(streams(receiver)) == ["s-1", "s-2"]
    assert {headers[DELIVERY_HEADER] for headers, _ in receiver.got} == first
    spool = Spool(tmp_path, receiver.url)
    assert spool.waiting() == []
    spool.close()


def test_delivery_is_retried_until_it_succeeds(receiver: Receiver, tmp_path: Path) -> None:
    receiver.statuses = [500, 429]
    sink = WebhookSink(receiver.url, "secret", spool=Spool(tmp_path, receiver.url))
    sink.emit("s-1", ALERT)
    wait_until(lambda: sink.workers.done)
    sink.close()
    assert len({headers[DELIVERY_HEADER] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3


def test_permanent_failures_are_given_up(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [404]
    sink = WebhookSink(receiver.url, "secret", spool=Spool(tmp_path, receiver.url))
    sink.emit("s-1", ALERT)
    wait_until(lambda: sink.workers.failed)
    sink.close()
    assert "status 404; an alert was not delivered" in caplog.text
    spool = Spool(tmp_path, receiver.url)
    assert spool.waiting() == []
    spool.close()


PROGRAM = """
import sys, time
from pathlib import Path
from dfd.clients.alerts.spool import Spool
from dfd.clients.alerts.webhook import WebhookSink
from tests.clients.alerts.test_on_alert import ALERT

url, folder = sys.argv[1:]
sink = WebhookSink(url, "secret", timeout_seconds=30, spool=Spool(Path(folder), url))
for number in range(50):
    sink.emit(f"s-{number}", ALERT)
print("emitted", flush=True)
time.sleep(60)  # until it is killed
"""


def test_a_kill_loses_nothing(receiver: Receiver, tmp_path: Path) -> None:
    receiver.delay = 5.0  # a webhook that never answers
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, receiver.url, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"emitted\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    other = Receiver()
    try:
        spool = Spool(tmp_path, receiver.url)
        sink = WebhookSink(other.url, "secret", spool=spool)
        wait_until(lambda: sink.workers.done == 50)
        sink.close()
        assert sorted(streams(other)) == sorted(f"s-{number}" for number in range(50))
    finally:
        other.close()
        receiver.delay = 0.0


def test_processes_have_separate_files_and_the_next_one_takes_over(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, "x"), Spool(tmp_path, "x")
    first.add("1")
    second.add("2")
    assert [one.line for one in first.waiting()] == ["1"]
    third = Spool(tmp_path, "x")
    assert third.waiting() == []  # the other processes are running
    for spool in (first, second, third):
        spool.close()
    after = Spool(tmp_path, "x")
    assert [one.line for one in after.waiting()] == ["1", "2"]
    other = Spool(tmp_path, "y")
    assert other.waiting() == []
    after.close()
    other.close()


def test_a_command_is_run_by_the_next_run(tmp_path: Path) -> None:
    command = f"{sys.executable} -c \"import sys; open('{tmp_path}/out', 'a').write('x')\""
    spool = Spool(tmp_path / "spool", command)
    spool.add("{}")
    spool.add("{}")
    spool.close()
    sink = CommandSink(command, print, spool=Spool(tmp_path / "spool", command))
    wait_until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_text() == "xx")
    sink.close()


def test_other_users_cannot_read_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a" / "b", "https://u:secret@host/")
    spool.add("{}")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    for path in (tmp_path / "a" / "b").glob("*.db"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "secret" not in path.name
    spool.close()


def test_an_unusable_spool_is_reported_and_replaced_by_memory(
    receiver: Receiver,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spool = Spool(tmp_path, receiver.url)

    def full(line: str) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(spool, "add", full)
    sink = WebhookSink(receiver.url, "secret", spool=spool)
    sink.emit("s-1", ALERT)
    wait_until(lambda: sink.workers.done)
    sink.close()
    assert streams(receiver) == ["s-1"]
    assert ": database or disk is full" in caplog.text


def test_an_unusable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"the spool .*file cannot be used: (File exists|Not a)"):
        on_alert("https://host/", "secret", spool=tmp_path / "file")
