import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click.testing
import pytest

from dfd.cli.main import cli
from dfd.daemon.journal.store import Store
from tests.daemon.journal.test_store import alert, call, summary


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    now = datetime.now(UTC)
    store = Store(str(path), create=True)
    store.write(
        [
            call("a", labels={"queue": "7"}, started_at=now - timedelta(days=40)),
            call("b", labels={"queue": "=1+1"}, started_at=now - timedelta(hours=1)),
            call("c", stream_id="=cmd()", started_at=now),
            alert("1", "b"),
            summary("a", "bonafide"),
            summary("b", "spoof"),
            summary("b", "inconclusive", channel=1),
        ]
    )
    store.close()
    return path


def run(*arguments: object, **more: object) -> click.testing.Result:
    words = ["history", *map(str, arguments)]
    return click.testing.CliRunner().invoke(cli, words, **more)  # type: ignore[arg-type]


def test_json_has_one_call_per_line(journal: Path) -> None:
    result = run("list", "--journal", journal, "--json")
    assert result.exit_code == 0
    calls = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["call"] for one in calls] == ["c", "b", "a"]
    assert [one["verdict"] for one in calls[1]["channels"]] == ["spoof", "inconclusive"]
    assert calls[1]["alerts"][0]["spoof_probability"] == 0.9


def test_csv_has_one_channel_per_line_and_no_formulas(journal: Path) -> None:
    result = run("list", "--journal", journal, "--csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["verdict"] for row in rows] == ["", "spoof", "inconclusive", "bonafide"]
    assert [row["alerts"] for row in rows] == ["0", "1", "0", "0"]
    assert rows[0]["stream_id"] == "'=cmd()"
    assert rows[1]["labels"] == "queue==1+1"


def test_a_watermark_is_shown_next_to_the_verdict(journal: Path) -> None:
    assert "watermark" not in run("list", "--journal", journal).stdout
    store = Store(str(journal), create=False)
    store.write([alert("2", "b", trigger="mark:perth")])
    store.close()
    assert run("list", "--journal", journal).stdout.count("carries the Perth watermark") == 1


def test_the_table_is_for_people(journal: Path) -> None:
    result = run("list", "--journal", journal)
    assert result.exit_code == 0
    assert result.stdout.count("stream-b") == 2
    assert "synthetic" in result.stdout
    assert "cannot tell" in result.stdout
    assert run("list", "--journal", journal, "--stream-id", "none").stdout == "no calls\n"


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        (("--since", "2d"), "cb"),
        (("--until", "2d"), "a"),
        (("--since", "90m", "--until", "30m"), "b"),
        (("--alerted",), "b"),
        (("--not-alerted",), "ca"),
        (("--verdict", "bonafide"), "a"),
        (("--label", "queue=7"), "a"),
        (("--limit", "1"), "c"),
        (("--since", "2020-01-01T00:00"), "cba"),
    ],
)
def test_filters(journal: Path, options: tuple[str, ...], keys: str) -> None:
    result = run("list", "--journal", journal, "--json", *options)
    assert "".join(json.loads(line)["call"] for line in result.stdout.splitlines()) == keys


def test_purge_deletes_old_calls(journal: Path) -> None:
    assert run("purge", "--journal", journal, "--before", "30d", input="n\n").exit_code == 1
    result = run("purge", "--before", "30d", "--yes", env={"DFD_SERVE_JOURNAL": str(journal)})
    assert result.stdout == "1 call deleted\n"
    left = run("list", "--journal", journal, "--json").stdout.splitlines()
    assert [json.loads(line)["call"] for line in left] == ["c", "b"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list", "--journal", "none.db"), "dfd history list: there is no journal"),
        (("list",), "dfd history list: Missing option '--journal'"),
        (("purge", "--journal", "x", "--before", "soon"), "'soon' is not a time"),
        (("list", "--journal", "x", "--label", "queue"), "write KEY=VALUE"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
