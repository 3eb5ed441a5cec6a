from dfd.clients import events as ev
from dfd.clients.alerts.actions import ActionPer, AlertActions, SummariesOnly
from tests.bridges.kit import MemorySink
from tests.clients import said

ROLLING, CUMULATIVE = ev.Trigger.ROLLING, ev.Trigger.CUMULATIVE
WATERMARK = ev.Trigger.WATERMARK


def alert(trigger: ev.Trigger, cleared: bool = False, channel: int = 0) -> ev.Alert:
    return said.alert(trigger, channel, cleared=cleared)


def acted(
    alerts: list[ev.Alert], per: ActionPer = "alert", calls: list[str] | None = None
) -> list[tuple[ev.Trigger, bool, int]]:
    sink = MemorySink()
    actions = AlertActions(sink, per)
    for number, one in enumerate(alerts):
        actions.emit("s", one, call_id="c" if calls is None else calls[number])
    told = [event for _, event, _ in sink.told if isinstance(event, ev.Alert)]
    return [(one.trigger, one.cleared, one.channel) for one in told]


def test_two_simultaneous_alerts_are_one_action() -> None:
    assert acted([alert(ROLLING), alert(CUMULATIVE)]) == [(ROLLING, False, 0)]


def test_a_watermark_is_a_separate_action_reported_once() -> None:
    told = [alert(ROLLING), alert(WATERMARK), alert(ROLLING, cleared=True), alert(WATERMARK)]
    assert acted(told) == [(ROLLING, False, 0), (WATERMARK, False, 0), (ROLLING, True, 0)]
    assert acted(told[:2], per="call") == [(ROLLING, False, 0)]


def test_it_clears_when_both_are_below() -> None:
    told = [
        alert(ROLLING),
        alert(CUMULATIVE),
        alert(ROLLING, cleared=True),
        alert(ROLLING),
        alert(ROLLING, cleared=True),
        alert(CUMULATIVE, cleared=True),
        alert(ROLLING),
    ]
    assert acted(told) == [(ROLLING, False, 0), (CUMULATIVE, True, 0), (ROLLING, False, 0)]


def test_an_alert_repeated_after_a_reconnection_is_not_a_new_action() -> None:
    assert acted([alert(ROLLING), alert(ROLLING), alert(CUMULATIVE)]) == [(ROLLING, False, 0)]


def test_channels_and_calls_are_separate() -> None:
    told = [alert(ROLLING), alert(ROLLING, channel=1), alert(ROLLING)]
    assert acted(told, calls=["a", "a", "b"]) == [
        (ROLLING, False, 0),
        (ROLLING, False, 1),
        (ROLLING, False, 0),
    ]


def test_once_a_call() -> None:
    told = [
        alert(ROLLING, channel=1),
        alert(ROLLING, cleared=True, channel=1),
        alert(CUMULATIVE),
        alert(ROLLING),
    ]
    assert acted(told, "call", ["a", "a", "a", "b"]) == [(ROLLING, False, 1), (ROLLING, False, 0)]


def test_clearing_an_unraised_alert_is_no_action() -> None:
    assert acted([alert(ROLLING, cleared=True)]) == []


def test_summaries_are_handled_separately() -> None:
    sink = MemorySink()
    only = SummariesOnly(sink)
    only.emit("s", alert(ROLLING))
    only.emit("s", said.summary())
    only.close()
    assert [type(event) for _, event, _ in sink.told] == [ev.Summary]
    assert sink.closed
