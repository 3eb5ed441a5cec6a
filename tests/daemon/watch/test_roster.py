from typing import Any

from dfd.daemon.watch import roster as module
from dfd.daemon.watch.roster import Roster
from dfd.daemon.watch.sight import Sight
from dfd.streaming import types as core
from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import stream_config


class Session:
    """A session whose channels have no results."""

    def standing_alerts(self) -> list[core.Alert]:
        return []

    def alerts_raised(self) -> dict[int, int]:
        return {0: 0}

    def summary(self) -> list[core.ChannelSummary]:
        zero: dict[str, Any] = dict.fromkeys(
            ("audio_seconds", "speech_seconds", "gap_seconds"), 0.0
        )
        counts: dict[str, Any] = dict.fromkeys(
            ("windows_scored", "windows_shed", "windows_insufficient_speech", "windows_failed"), 0
        )
        return [
            core.ChannelSummary(
                channel=0,
                verdict=core.Verdict.INCONCLUSIVE,
                inconclusive_reasons=(),
                cumulative_score=None,
                peak_rolling_score=None,
                mean_spoof_probability=None,
                first_alert_seconds=None,
                **zero,
                **counts,
            )
        ]


def sight(stream_id: str) -> Sight:
    return Sight(stream_config(stream_id=stream_id, channels=[0]), "ipv4:127.0.0.1:1", Session())


def ids(answers: list[pb.WatchStreamsResponse]) -> list[str]:
    return [stream.stream_id for answer in answers for stream in answer.streams]


def speech(began: bool) -> core.SpeechActivity:
    return core.SpeechActivity(0, began, 1.0)


async def test_many_changes_of_a_stream_are_sent_as_one() -> None:
    roster, one = Roster(), sight("one")
    roster.enter(one)
    with roster.watch() as watcher:
        list(watcher.take())
        for began in (True, False, True):
            assert one.take(speech(began))
            roster.changed(one)
        (answer,) = watcher.take()
    assert ids([answer]) == ["one"]
    assert answer.streams[0].channels[0].speaking


async def test_a_watcher_far_behind_starts_over(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "_MAX_BACKLOG", 3)
    roster = Roster()
    with roster.watch() as watcher:
        list(watcher.take())
        for number in range(4):
            over = sight(f"over{number}")
            roster.enter(over)
            roster.leave(over, "CLIENT_DONE")
        roster.enter(sight("running"))
        answers = list(watcher.take())
    assert answers[0].snapshot
    assert ids(answers) == ["running"]


async def test_a_large_snapshot_is_sent_in_parts() -> None:
    roster = Roster()
    for number in range(150):
        roster.enter(sight(str(number)))
    with roster.watch() as watcher:
        answers = list(watcher.take())
    assert [answer.snapshot for answer in answers] == [True, False, False]
    assert len(ids(answers)) == 150


async def test_streams_of_a_dead_process_are_lost() -> None:
    roster = Roster()
    with roster.watch() as watcher:
        list(watcher.take())
        for process, stream in ((1, sight("first")), (1, sight("second")), (2, sight("third"))):
            roster.told(process, stream.message(8))
        list(watcher.take())
        roster.keep_only(1, set())
        told = {s.stream_id: s.end_reason for a in watcher.take() for s in a.streams}
        assert told == {"first": "LOST", "second": "LOST"}
        watcher.refresh()
        assert ids(list(watcher.take())) == ["third"]


async def test_labels_that_are_too_long_to_show_are_left_out() -> None:
    config = stream_config(labels={"a": "x" * 9000}, channels=[0])
    shown = Sight(config, "", Session()).message(8)
    assert dict(shown.labels) == {}
