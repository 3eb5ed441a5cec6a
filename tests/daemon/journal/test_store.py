import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dfd.daemon.journal.entries import Entry, JournalError
from dfd.daemon.journal.store import Query, Store
from dfd.errors import UserError
from tests.daemon.journal.databases import postgres

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "journal.db")
    else:
        with postgres() as url:
            yield url


def call(key: str, hours: float = 0.0, **more: Any) -> Entry:
    values = {
        "call": key,
        "kind": "stream",
        "stream_id": f"stream-{key}",
        "started_at": NOON + timedelta(hours=hours),
        "labels": {},
    }
    return Entry("dfd_calls", values | more)


def alert(key: str, of: str, **more: Any) -> Entry:
    values = {
        "alert": key,
        "call": of,
        "at": NOON,
        "channel": 0,
        "trigger": "rolling",
        "cleared": False,
        "offset_seconds": 4.0,
        "spoof_probability": 0.9,
        "spoof_llr": 2.2,
        "threshold": 0.8,
    }
    return Entry("dfd_alerts", values | more)


def summary(of: str, verdict: str = "spoof", channel: int = 0) -> Entry:
    counts = dict.fromkeys(
        ("windows_scored", "windows_shed", "windows_insufficient_speech", "windows_failed"), 1
    )
    lengths = {"audio_seconds": 9.0, "speech_seconds": 8.0, "gap_seconds": 0.0}
    values = {"call": of, "channel": channel, "verdict": verdict, "reasons": ["X"]}
    return Entry("dfd_summaries", values | counts | lengths)


def test_records_are_written_once_and_read_back(journal: str) -> None:
    store = Store(journal, create=True)
    entries = [
        call("a", labels={"queue": "7"}, token="bank"),
        alert("1", "a"),
        alert("2", "a", cleared=True, channel=1),
        summary("a", channel=1),
        summary("a", "bonafide"),
        Entry("dfd_calls", {"end": "client_done", "ended_at": NOON}, call="a"),
    ]
    store.write(entries)
    store.write(entries)  # an unanswered commit is tried again
    (found,) = store.calls(Query())
    assert found["stream_id"] == "stream-a"
    assert (found["started_at"], found["end"]) == ("2026-05-01T12:00:00.000+00:00", "client_done")
    assert found["labels"] == {"queue": "7"}
    assert [(one["channel"], one["cleared"]) for one in found["alerts"]] == [(0, False), (1, True)]
    assert [one["verdict"] for one in found["channels"]] == ["bonafide", "spoof"]
    store.close()
    again = Store(journal, create=True)
    assert len(list(again.calls(Query()))) == 1
    again.close()


def detail(of: str) -> list[Entry]:
    """Details of a call: how it was judged, its scores and a clip."""
    clip = {"clip": f"/clips/{of}.flac", "written_at": NOON, "seconds": 12.0, "sha256": "ab" * 32}
    points = [[4.0, 0.9, 0.8, 0.7], [6.0, None, 0.8, 0.7]]
    return [
        Entry("dfd_started", {"call": of, "started": {"model": {"name": "bundled"}}}),
        Entry("dfd_scores", {"call": of, "channel": 0, "every": 2, "points": points}),
        Entry("dfd_clips", clip),
        alert(f"clip-{of}", of, clip=clip["clip"]),
    ]


def test_a_call_is_returned_in_full_on_request(journal: str) -> None:
    store = Store(journal, create=True)
    store.write([call("a"), *detail("a"), call("b"), *detail("b")])
    (found,) = store.calls(Query(call="a", whole=True))
    assert found["started"] == {"model": {"name": "bundled"}}
    assert [(one["every"], one["points"][1]) for one in found["scores"]] == [
        (2, [6.0, None, 0.8, 0.7])
    ]
    assert [(one["clip"], one["sha256"]) for one in found["clips"]] == [
        ("/clips/a.flac", "ab" * 32)
    ]
    assert "started" not in next(store.calls(Query(call="a")))
    store.purge(NOON + timedelta(hours=1))
    store.write([call("a")])
    (bare,) = store.calls(Query(call="a", whole=True))
    assert (bare["started"], bare["scores"], bare["clips"]) == (None, [], [])
    store.close()


def test_a_journal_of_an_older_daemon_is_read_and_purged(journal: str) -> None:
    store = Store(journal, create=True)
    store.write([call("a"), alert("1", "a", clip="/clips/a.flac"), summary("a")])
    with store._database.begin() as connection:
        for table in ("dfd_started", "dfd_scores", "dfd_clips"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
    store.close()
    older = Store(journal, create=False)
    (found,) = older.calls(Query(whole=True))
    assert (found["started"], found["scores"], found["clips"]) == (None, [], [])
    assert older.purge(NOON + timedelta(hours=1)) == 1
    older.close()


def test_queries_filter(journal: str) -> None:
    store = Store(journal, create=True)
    store.write(
        [
            call("a", 0.0, labels={"queue": "7", "site": "x"}),
            call("b", 1.0, labels={"queue": "8"}, token="bank"),
            call("c", 2.0),
            alert("1", "b"),
            alert("2", "c", cleared=True),
            summary("a", "bonafide"),
            summary("b", "spoof"),
        ]
    )

    def keys(**wanted: Any) -> str:
        return "".join(one["call"] for one in store.calls(Query(**wanted)))

    assert keys() == "cba"
    assert keys(limit=2) == "cb"
    assert keys(since=NOON + timedelta(hours=1)) == "cb"
    assert keys(until=NOON + timedelta(hours=1)) == "a"
    assert keys(stream_id="stream-b") == "b"
    assert keys(token="bank") == "b"
    assert keys(verdict="bonafide") == "a"
    assert keys(alerted=True) == "b"
    assert keys(alerted=False) == "ca"
    assert keys(labels={"queue": "7"}) == "a"
    assert keys(labels={"queue": "7", "site": "y"}) == ""
    assert store.purge(NOON + timedelta(hours=1.5)) == 2
    assert keys() == "c"
    assert store.purge(NOON) == 0
    store.close()


def test_several_processes_can_start_and_write_together(journal: str) -> None:
    def work(name: str) -> None:
        store = Store(journal, create=True)
        for number in range(20):
            store.write([call(f"{name}{number}")])
        store.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = Store(journal, create=False)
    assert len(list(store.calls(Query()))) == 80
    store.close()


def test_a_batch_is_written_atomically(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "journal.db"), create=True)
    with pytest.raises(JournalError, match="NOT NULL"):
        store.write([call("a"), alert("1", "a", channel=None)])
    assert list(store.calls(Query())) == []
    store.close()


def test_other_users_cannot_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    Store(str(path), create=True).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("journal", "said"),
    [
        ("{tmp}/none/journal.db", "cannot be opened: No such file or directory"),
        ("{tmp}", "cannot be opened: Is a directory"),
        ("{tmp}/text", "cannot be opened: file is not a database"),
        ("nosuch://x", "cannot be opened"),
        ("oracle://u:secret@127.0.0.1/x", "needs the package"),
        ("postgresql://u:secret@127.0.0.1:9/x", "cannot be opened: connection failed"),
    ],
)
def test_a_mistake_is_one_sentence_without_a_password(
    tmp_path: Path, journal: str, said: str
) -> None:
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(UserError, match=said) as caught:
        Store(journal.format(tmp=tmp_path), create=True)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
