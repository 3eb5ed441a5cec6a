"""What a client has received is in the journal, however the daemon ends."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile

from dfd.daemon.journal.store import Query, Store
from dfd.v1 import detection_pb2 as pb
from tests.chaos.daemon import RATE, Daemon, audio, config, judged

# for a longer run: DFD_TEST_KILLS=100
KILLS = int(os.environ.get("DFD_TEST_KILLS", "3"))
STREAMS = 4


def alarming() -> pb.StreamingDetectRequest:
    """The no-op model gives even odds, which is enough for this policy to alert."""
    policy = pb.AlertPolicy(rolling_threshold=0.4, cumulative_threshold=0.45)
    return config(alert_policy=policy)


def journal(path: Path) -> dict[str, dict[str, Any]]:
    """Returns the calls by their stream ids."""
    store = Store(str(path), create=False)
    found = {call["stream_id"]: call for call in store.calls(Query())}
    store.close()
    return found


class Caller(threading.Thread):
    """Runs one stream after another, and keeps their responses, until the daemon is gone."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self._daemon = daemon
        self.told: list[tuple[str, Any]] = []
        self.start()

    def run(self) -> None:
        with self._daemon.stub() as stub:
            try:
                while True:
                    name = ""
                    requests = [alarming(), *(audio(0.5) for _ in range(9))]
                    for answer in stub.StreamingDetect(iter(requests), timeout=120):
                        if answer.HasField("started"):
                            name = answer.started.stream_id
                        self.told.append((name, answer))
            except grpc.RpcError:
                pass


def missing(told: list[tuple[str, Any]], kept: dict[str, dict[str, Any]]) -> list[Any]:
    """Returns what clients received that is not in the journal."""
    lost: list[Any] = []
    for name, answer in told:
        call = kept.get(name, {"alerts": [], "channels": []})
        if answer.HasField("started"):
            there = name in kept
        elif answer.HasField("alert"):
            offset = answer.alert.offset.ToNanoseconds() / 1e9
            trigger = pb.Alert.Trigger.Name(answer.alert.trigger).removeprefix("TRIGGER_").lower()
            there = any(
                abs(one["offset_seconds"] - offset) < 1e-6 and one["trigger"] == trigger
                for one in call["alerts"]
            )
        elif answer.HasField("summary"):
            there = [one["channel"] for one in call["channels"]] == [
                one.channel for one in answer.summary.channels
            ]
        else:
            continue
        if not there:
            lost.append((name, answer))
    return lost


@pytest.mark.timeout(300 + 60 * KILLS)
@pytest.mark.parametrize("processes", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_what_a_client_received_survives_a_kill(tmp_path: Path, processes: tuple[str, ...]) -> None:
    path = tmp_path / "journal.db"
    rng = random.Random(7)
    alerts = 0
    for _ in range(KILLS):
        with Daemon("--journal", str(path), "--log-level", "warning", *processes) as daemon:
            callers = [Caller(daemon) for _ in range(STREAMS)]
            while not any(caller.told for caller in callers):
                time.sleep(0.005)  # the callers' threads announce nothing
            time.sleep(rng.uniform(0.0, 0.6))  # killed at any moment
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait()
            for caller in callers:
                # hung workers are ended 10 s after their supervisor; the call's own
                # deadline is far later
                caller.join(40)
                assert not caller.is_alive()
        told = [one for caller in callers for one in caller.told]
        alerts += sum(answer.HasField("alert") for _, answer in told)
        assert missing(told, journal(path)) == []
    assert alerts > 2 * KILLS


def test_a_call_is_recorded_with_everything_that_belongs_to_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Daemon("--journal", str(path)) as daemon:
        requests = [alarming(), *(audio(1.0) for _ in range(5))]
        requests[0].config.labels["queue"] = "7"
        requests[0].config.stream_id = "call-1"
        with daemon.stub() as stub:
            answers = list(stub.StreamingDetect(iter(requests), timeout=30))
            recording = pb.DetectRequest(
                audio_format=requests[0].config.audio_format, audio=b"\0\x08\0\xf8" * (2 * RATE)
            )
            stub.Detect(recording, timeout=30)
        daemon.until(lambda: all(call["end"] for call in journal(path).values()))
    calls = journal(path)
    assert sorted(call["kind"] for call in calls.values()) == ["recording", "stream"]
    call = calls["call-1"]
    assert (call["end"], call["labels"], call["audio_seconds"]) == (
        "client_done", {"queue": "7"}, 5.0,
    )  # fmt: skip
    told = [answer.alert for answer in answers if answer.HasField("alert")]
    assert len(call["alerts"]) == len(told) > 0
    (channel,) = call["channels"]
    assert channel["windows_scored"] == answers[-1].summary.channels[0].windows_scored > 0


def test_without_a_journal_nothing_is_written(tmp_path: Path) -> None:
    with Daemon(environment={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}) as daemon:
        judged(daemon)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def locked(tmp_path: Path) -> Any:
    """A journal, and a writer that locks the daemon out of it."""
    import sqlite3

    path = tmp_path / "journal.db"
    Store(str(path), create=True).close()
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    yield path, connection
    connection.close()


def test_a_failing_journal_is_reported_and_catches_up(locked: Any) -> None:
    path, connection = locked
    with Daemon("--journal", str(path)) as daemon:
        connection.execute("BEGIN IMMEDIATE")
        told = judged(daemon)
        warnings = [one.warning.reason for one in told if one.HasField("warning")]
        assert warnings == ["JOURNAL_DOWN"]
        assert told[-1].HasField("summary")
        daemon.until_logged("the journal cannot be written")
        daemon.until(lambda: daemon.figure("dfd_journal_up") == 0)
        connection.execute("COMMIT")
        daemon.until_logged("the journal can be written again")
        daemon.until(lambda: len(journal(path)) == 1)
    (call,) = journal(path).values()
    assert len(call["channels"]) == 1


def test_a_stopping_daemon_sends_nothing_that_it_cannot_record(locked: Any) -> None:
    path, connection = locked
    with Daemon("--journal", str(path), "--journal-failure", "stop") as daemon:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(grpc.RpcError) as caught:
            judged(daemon)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "journal cannot be written" in str(caught.value.details())
        connection.execute("COMMIT")
        daemon.until_logged("the journal can be written again")
        assert judged(daemon)[-1].HasField("summary")


@pytest.mark.parametrize("processes", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_an_unusable_journal_is_one_sentence(tmp_path: Path, processes: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "dfd", "serve", "--model", "noop", "--port", "0"]
    command += ["--no-metrics", "--journal", str(tmp_path / "none" / "x.db"), *processes]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "cannot be opened: No such file or directory" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_evidence_clips_exist_until_they_are_purged(tmp_path: Path) -> None:
    path, clips = tmp_path / "journal.db", tmp_path / "clips"
    with Daemon("--journal", str(path), "--evidence-clips", str(clips)) as daemon:
        with daemon.stub() as stub:
            list(stub.StreamingDetect(iter([alarming(), *[audio(1.0)] * 9]), timeout=30))
        daemon.until(lambda: len(list(clips.glob("*.flac"))) == 1)
    (call,) = journal(path).values()
    (clip,) = {Path(alert["clip"]) for alert in call["alerts"]}
    samples, rate = soundfile.read(clip, dtype="int16")
    assert rate == RATE
    assert 5.0 <= len(samples) / rate <= 9.0
    assert set(np.unique(samples[100:-100])) <= {-2048, -2047, 2047, 2048}
    store = Store(str(path), create=False)
    (whole,) = store.calls(Query(whole=True))
    assert [Path(one["clip"]) for one in whole["clips"]] == [clip]
    assert whole["clips"][0]["sha256"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert whole["started"]["effectiveConfig"]["audioFormat"]["sampleRateHertz"] == RATE
    points = whole["scores"][0]["points"]
    assert points[-1][0] == pytest.approx(9.0)
    assert store.purge(datetime.now(UTC) + timedelta(seconds=1)) == 1
    store.close()
    assert not clip.exists()
