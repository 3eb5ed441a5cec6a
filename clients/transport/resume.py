"""Lets a stream continue at another server as if nothing had happened."""

from dfd.clients import events as ev
from dfd.v1 import detection_pb2 as pb

_AlertKey = tuple[ev.Trigger, int, bool, float]


class Resumption:
    """The last checkpoint, and the events reported since, which must not be repeated.

    Attributes:
        state: state to send to the next server; empty before the first checkpoint.
        offset: the frame from which audio must be sent again.
    """

    def __init__(self) -> None:
        self.state = b""
        self.offset = 0
        self._windows: dict[int, int] = {}
        self._alerts: set[_AlertKey] = set()
        self._speaking: dict[int, tuple[bool, float]] = {}
        self._again = False

    @property
    def judged(self) -> bool:
        """Whether the caller has received anything that the next server should know."""
        return bool(self.state or self._windows or self._alerts)

    def take(self, checkpoint: pb.Checkpoint) -> None:
        """Stores a server's checkpoint."""
        self.state, self.offset = checkpoint.state, checkpoint.resume_offset
        self._alerts.clear()  # the checkpoint includes them

    def begin(self, started: ev.Started) -> bool:
        """Notes that a server has accepted the stream.

        Returns:
            Whether it knows everything that the caller has received.
        """
        whole = started.resumed or not self.judged
        self._again = started.resumed
        if not started.resumed:
            self.state, self.offset = b"", 0
            self._windows.clear()
            self._alerts.clear()
            self._speaking.clear()
        return whole

    def is_news(self, event: ev.Event) -> bool:
        """Returns whether an event is new to the caller."""
        match event:
            case ev.WindowResult():
                news = not self._again or event.sequence > self._windows.get(event.channel, -1)
                if news and event.status is not ev.WindowStatus.SHED and not event.final:
                    self._windows[event.channel] = event.sequence
                return news
            case ev.Alert():
                key = (event.trigger, event.channel, event.cleared, event.offset_seconds)
                news = not self._again or key not in self._alerts
                self._alerts.add(key)
                return news
            case ev.SpeechActivity():
                began, at = self._speaking.get(event.channel, (False, -1.0))
                news = not self._again or (event.began is not began and event.offset_seconds > at)
                if news:
                    self._speaking[event.channel] = event.began, event.offset_seconds
                return news
        return True
