from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from dfd.clients import events as ev
from dfd.clients.display.watch import SORTS, WatchState, plain_lines, render
from dfd.clients.options import AlertPolicy
from dfd.clients.watching import ScorePoint, StreamsUpdate, WatchedChannel, WatchedStream
from dfd.v1 import detection_pb2 as pb
from tests.clients import said


def stream(
    name: str,
    probability: float | None = None,
    *,
    alert: bool = False,
    end: str = "",
    **labels: str,
) -> WatchedStream:
    score = None if probability is None else ev.Score(probability, 0.0, 3.0)
    alerts = (said.alert(seconds=3.0),) if alert else ()
    summary = ev.ChannelSummary(
        channel=0,
        verdict=ev.Verdict.SPOOF if alert else ev.Verdict.INCONCLUSIVE,
        inconclusive_reasons=() if alert else ("TOO_LITTLE_SPEECH",),
        cumulative_score=score,
        peak_rolling_score=score,
        mean_spoof_probability=None,
        audio_seconds=65.0,
        speech_seconds=3.0,
        gap_seconds=0.0,
        first_alert_seconds=None,
        windows_scored=1,
        windows_shed=0,
        windows_insufficient_speech=0,
        windows_failed=0,
    )
    recent = (ScorePoint(3.0, probability, probability, probability), ScorePoint(4.0, None, 0, 0))
    channel = WatchedChannel(summary, score, False, alerts, len(alerts), recent)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    channels, proto = (channel,), pb.WatchedStream(key=name)
    return WatchedStream(
        name, name, labels, "ipv4:1", at, None, AlertPolicy(), channels, end, proto=proto
    )


def state(*streams: WatchedStream, **options: Any) -> WatchState:
    made = WatchState("here:1", **options)
    made.streams.take(StreamsUpdate(True, streams))
    return made


def drawn(what: WatchState, height: int = 40) -> str:
    console = Console(width=140, force_terminal=False)
    with console.capture() as capture:
        console.print(render(what, height, 140))
    return capture.get()


def names(what: WatchState) -> list[str]:
    return [one.stream_id for one in what.rows()]


def test_alerts_come_first_and_then_the_highest_score() -> None:
    shown = state(stream("a", 0.2), stream("b", 0.7), stream("c", 0.1, alert=True), stream("d"))
    assert names(shown) == ["c", "b", "a", "d"]
    text = drawn(shown)
    assert "4 streams" in text
    assert "1 with an alert" in text
    assert "1:05" in text
    rows = [line for line in text.splitlines() if line.startswith((" a ", " b ", " c ", " d "))]
    assert [row.split()[0] for row in rows] == ["c", "b", "a", "d"]
    assert "ALERT" in rows[0]
    assert "0.700" in rows[1]


@pytest.mark.parametrize("sort", SORTS)
def test_every_order_contains_every_stream(sort: str) -> None:
    shown = state(stream("a", 0.2), stream("b"), stream("c", alert=True), sort=sort)
    assert sorted(names(shown)) == ["a", "b", "c"]
    assert names(shown)[0] == "c"


def test_keys() -> None:
    shown = state(stream("a", 0.2), stream("b", 0.7), stream("c", alert=True))
    assert shown.press("r")
    assert names(shown) == ["c", "a", "b"]
    assert shown.press("a")
    assert names(shown) == ["c"]
    assert shown.press("s")
    assert shown.sort == "rolling"
    assert not shown.press("q")


def test_streams_that_do_not_fit_are_counted() -> None:
    shown = state(*(stream(f"s{number}") for number in range(50)))
    assert "38 more below" in drawn(shown, height=20)


def test_a_lost_server_is_reported() -> None:
    shown = state(stream("a"))
    shown.lost = "connection refused"
    assert "no server, reconnecting: connection refused" in drawn(shown)


# before, after, the line about it
CASES: list[tuple[WatchedStream | None, WatchedStream, list[str]]] = [
    (None, stream("a", queue="sales"), ["a: began queue=sales"]),
    (stream("a"), stream("a", 0.9, alert=True), ["a: ALERT at 1:05"]),
    (stream("a", 0.9, alert=True), stream("a", 0.4), ["a: alert cleared at 1:05"]),
    (
        stream("a"),
        stream("a", end="CLIENT_DONE"),
        ["a: ended, client done. Cannot tell: too little speech was heard"],
    ),
    (stream("a"), stream("a", 0.5), []),
]


@pytest.mark.parametrize(("before", "after", "lines"), CASES)
def test_plain_lines(before: WatchedStream | None, after: WatchedStream, lines: list[str]) -> None:
    known = [] if before is None else [before]
    assert list(plain_lines(state(*known), StreamsUpdate(False, (after,)))) == lines


def test_plain_lines_of_filtered_streams() -> None:
    shown = state(text="sales")
    assert not list(plain_lines(shown, StreamsUpdate(False, (stream("a"),))))
