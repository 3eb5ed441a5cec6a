import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from dfd.daemon.journal.address import to_url, without_password
from dfd.daemon.journal.entries import Entry, JournalError
from dfd.daemon.journal.journal import Journal
from dfd.daemon.journal.store import Query, Store
from dfd.daemon.metrics import Metrics
from tests.daemon.journal.test_store import call
from tests.waiting import paced, until


class FailingStore(Store):
    """A database that is full or slow while the test wants it."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), create=True)
        self.full = False
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[int] = []

    def write(self, entries: Iterable[Entry]) -> None:
        rows = list(entries)
        self.gate.wait(30)
        if self.full:
            raise JournalError("database or disk is full")
        self.batches.append(len(rows))
        super().write(rows)


@pytest.fixture
def store(tmp_path: Path) -> FailingStore:
    return FailingStore(tmp_path / "journal.db")


def keys(path: Path) -> set[str]:
    store = Store(str(path), create=False)
    found = {one["call"] for one in store.calls(Query())}
    store.close()
    return found


async def test_true_means_that_it_is_stored(store: FailingStore, tmp_path: Path) -> None:
    journal = Journal(store, Metrics(), stops=False)
    assert await journal.kept(journal.put([call("a")]))
    assert keys(tmp_path / "journal.db") == {"a"}
    await journal.close()


async def test_waiting_records_share_a_commit(store: FailingStore, tmp_path: Path) -> None:
    journal = Journal(store, Metrics(), stops=False)
    store.gate.clear()
    futures = [journal.put([call(str(number))]) for number in range(100)]
    store.gate.set()
    assert all([await journal.kept(future) for future in futures])
    await journal.close()
    assert sum(store.batches) == 100
    assert len(store.batches) <= 3
    assert len(keys(tmp_path / "journal.db")) == 100


async def written(journal: Journal) -> None:
    """Waits until the database takes records again."""
    async for _ in paced(range(200), 0.05):
        if await journal.kept(journal.put([])):
            return
    raise AssertionError("the database takes none")


async def test_records_that_the_database_rejected_are_written_later(
    store: FailingStore, tmp_path: Path
) -> None:
    metrics = Metrics()
    journal = Journal(store, metrics, stops=False)
    store.full = True
    assert not await journal.kept(journal.put([call("a")]))
    assert journal.down
    assert metrics.value("dfd_journal_up") == 0
    # nothing waits for a failing journal
    assert journal.put([call("b")]).result() is False
    store.full = False
    await written(journal)
    await journal.close()
    assert keys(tmp_path / "journal.db") == {"a", "b"}
    assert metrics.value("dfd_journal_up") == 1
    assert metrics.value("dfd_journal_entries_total", outcome="kept") == 2


async def test_the_backlog_is_bounded(store: FailingStore, tmp_path: Path) -> None:
    metrics = Metrics()
    journal = Journal(store, metrics, stops=False, backlog=10)
    store.full = True
    assert not await journal.kept(journal.put([call("first")]))
    for number in range(30):
        journal.put([call(str(number))])
    await until(lambda: metrics.value("dfd_journal_entries_total", outcome="dropped") >= 21)
    store.full = False
    await written(journal)
    await journal.close()
    assert len(keys(tmp_path / "journal.db")) == 10


async def test_a_hanging_commit_counts_as_failed(store: FailingStore) -> None:
    journal = Journal(store, Metrics(), stops=False, answer_seconds=0.05)
    store.gate.clear()
    assert not await journal.kept(journal.put([call("a")]))
    store.gate.set()
    await journal.close()


@pytest.mark.parametrize(
    ("journal", "url"),
    [
        ("/var/lib/dfd/journal.db", "sqlite:////var/lib/dfd/journal.db"),
        ("sqlite:////a.db", "sqlite:////a.db"),
        ("postgres://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql://u@h/d", "postgresql+psycopg://u@h/d"),
        ("mysql+pymysql://u@h/d", "mysql+pymysql://u@h/d"),
    ],
)
def test_addresses(journal: str, url: str) -> None:
    assert to_url(journal) == url


@pytest.mark.parametrize(
    ("journal", "shown"),
    [
        ("postgresql://u:s3cret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:a:b/c@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("/a/b.db", "/a/b.db"),
    ],
)
def test_passwords_are_not_shown(journal: str, shown: str) -> None:
    assert without_password(journal) == shown
