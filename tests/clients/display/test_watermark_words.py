from dfd.clients import events as ev
from dfd.clients.display import verdicts, words
from dfd.clients.display.tables import verdict_text
from dfd.v1 import detection_pb2 as pb

MARK = ev.Watermark("perth", 4.0, 0.99)


def alert(**changes: object) -> ev.Alert:
    values: dict[str, object] = {
        "trigger": ev.Trigger.ROLLING,
        "channel": 0,
        "offset_seconds": 4.0,
        "score": ev.Score(0.93, 2.6, 4.0),
        "threshold": 0.88,
        "cleared": False,
    }
    return ev.Alert(**(values | changes), proto=pb.Alert())  # type: ignore[arg-type]


def test_an_alert_names_its_trigger() -> None:
    assert words.alert(alert()) == "rolling score 0.93 reached 0.88"
    assert words.alert(alert(cleared=True)) == "rolling score 0.93, threshold 0.88"
    found = alert(trigger=ev.Trigger.WATERMARK, watermark=MARK)
    assert words.alert(found) == "carries the Perth watermark"


def test_several_schemes_and_unknown_ones_are_named() -> None:
    assert words.carries([]) == ""
    assert words.carries(["perth", "newer"]) == "carries the Perth and newer watermarks"


def test_a_verdict_is_shown_with_the_watermark() -> None:
    summary = ev.ChannelSummary(
        0, ev.Verdict.BONAFIDE, (), None, None, None, 4.0, 4.0, 0.0, None, 1, 0, 0, 0, (MARK,)
    )
    assert verdicts.verdict(summary) == "Sounds human; carries the Perth watermark"
    assert "carries the Perth watermark" in str(verdict_text("bonafide", (), ["perth"]))
