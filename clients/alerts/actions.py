"""Which of a call's events lead to an action: alerts, per moment or per call; the verdict."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from dfd.clients.alerts.sinks import EventSink
from dfd.clients.events import Alert, Event, Summary, Trigger

ActionPer = Literal["alert", "call"]
# How many calls to remember, in case their end never comes.
_MAX_CALLS = 10_000
_ANY = -1


class AlertActions:
    """Passes alerts on, without repeating what has already been acted on.

    Rolling and cumulative evidence of one voice mostly cross their thresholds at the same moment:
    that counts as one action, cleared when both have fallen back. After a reconnection the daemon
    raises again what it had already raised: that is not a new action. A watermark is always an
    action of its own.

    Args:
        sink: where alerts go.
        per: "alert" passes on each moment, raised and cleared, by channel; "call" only the first
            alert of a call.
    """

    def __init__(self, sink: EventSink, per: ActionPer = "alert") -> None:
        self.sink = sink
        self._per = per
        self._raised: OrderedDict[tuple[str, int, bool], set[Trigger]] = OrderedDict()

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        """Passes an alert on if it is new."""
        if not isinstance(event, Alert):
            return
        call = str(more.get("call_id", stream_id))
        if self._news(call, event):
            self.sink.emit(stream_id, event, **more)

    def close(self) -> None:
        """Closes the underlying sink."""
        self.sink.close()

    def _news(self, call: str, alert: Alert) -> bool:
        once = self._per == "call"
        if once and alert.cleared:
            return False
        key = (call, _ANY if once else alert.channel, not once and _is_mark(alert))
        raised = self._raised.setdefault(key, set())
        self._raised.move_to_end(key)
        while len(self._raised) > _MAX_CALLS:
            self._raised.popitem(last=False)
        before = bool(raised)
        if alert.cleared:
            raised.discard(alert.trigger)
            return before and not raised
        raised.add(alert.trigger)
        return not before


def _is_mark(alert: Alert) -> bool:
    return alert.trigger is Trigger.WATERMARK


class SummariesOnly:
    """Passes on the verdict of each stream and nothing else.

    Args:
        sink: where verdicts go.
    """

    def __init__(self, sink: EventSink) -> None:
        self.sink = sink

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        """Passes a summary on."""
        if isinstance(event, Summary):
            self.sink.emit(stream_id, event, **more)

    def close(self) -> None:
        """Closes the underlying sink."""
        self.sink.close()
