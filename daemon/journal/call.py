"""What one call writes to the journal, and what it waits for before it informs its client."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict

from dfd.daemon.errors import StatusError
from dfd.daemon.journal.entries import Entry
from dfd.daemon.journal.journal import Journal
from dfd.daemon.journal.scores import CallScores
from dfd.detector.spec import ModelSpec
from dfd.streaming import types as core
from dfd.v1 import detection_pb2 as pb

DOWN = "JOURNAL_DOWN"
# columns that are named as the summary's fields are
_TIMES_AND_COUNTS = [
    one.name
    for one in fields(core.ChannelSummary)
    if one.name.endswith("_seconds") or one.name.startswith("windows_")
]

# awaited before a message is sent
Ready = Callable[[], Awaitable[None]]


def _nobody(_: str, __: str) -> None:
    """Discards a warning after the end."""


class JournalDownError(StatusError):
    """The journal is down, and nothing may be sent that it has not recorded."""


def _trigger(event: core.Alert) -> str:
    """Returns the trigger, with a watermark's scheme, within the column's 16 characters."""
    found = event.watermark
    return event.trigger.value if found is None else f"mark:{found.scheme}"[:16]


class CallJournal:
    """The journal of one call.

    Args:
        journal: the daemon's journal.
        kind: "stream" or "recording".
        retry_seconds: how long a refused client is told to wait.
        warn: called once, with a reason and a sentence for the client, if the call goes on
            without a journal.
    """

    def __init__(
        self,
        journal: Journal,
        kind: str,
        retry_seconds: float,
        warn: Callable[[str, str], None],
    ) -> None:
        self._journal = journal
        self._kind = kind
        self._call = uuid.uuid4().hex
        self._retry_seconds = retry_seconds
        self._warn = warn
        self._warned = False
        self._summed_up = False
        self._begun = False
        self._scores = CallScores()

    @property
    def call(self) -> str:
        """Key of the call."""
        return self._call

    def moved_from(self, call: str) -> None:
        """Records that another call, perhaps of a process that has ended, continues as this one."""
        values = {"ended_at": datetime.now(UTC), "end": "moved"}
        self._journal.put([Entry("dfd_calls", values, call=call)])

    async def begin(
        self,
        started: pb.StreamStarted,
        peer: str,
        token: str | None,
        spec: ModelSpec,
    ) -> None:
        """Records the call, and how it is judged.

        Raises:
            JournalDownError: if the journal is down, and calls may not go on without it.
        """
        self._begun = True
        values = {
            "call": self._call,
            "kind": self._kind,
            "stream_id": started.stream_id,
            "started_at": datetime.now(UTC),
            "peer": peer[:256],
            "token": token,
            "labels": dict(started.effective_config.labels),
            "model": spec.name[:256],
            "model_version": spec.version[:256],
            "weights_sha256": spec.weights_sha256,
        }
        judged = pb.StreamStarted()
        judged.CopyFrom(started)
        judged.effective_config.labels.clear()
        told = {"call": self._call, "started": MessageToDict(judged)}
        await self._put([Entry("dfd_calls", values), Entry("dfd_started", told)])()

    def window(self, result: core.WindowResult) -> None:
        """Keeps the scores of a window, which are recorded when the call ends."""
        self._scores.window(result)

    def alert(self, event: core.Alert, clip: str | None) -> Ready:
        """Records an alert and the path of its clip; await the result before sending the alert."""
        values = {
            "alert": uuid.uuid4().hex,
            "call": self._call,
            "at": datetime.now(UTC),
            "channel": event.channel,
            "trigger": _trigger(event),
            "cleared": event.cleared,
            "offset_seconds": event.offset_seconds,
            "spoof_probability": event.score.spoof_probability,
            "spoof_llr": event.score.spoof_llr,
            "threshold": event.threshold,
            "clip": clip,
        }
        return self._insert("dfd_alerts", [values])

    def summary(self, channels: list[core.ChannelSummary]) -> Ready:
        """Records the summary; await the result before sending it."""
        self._summed_up = True
        return self._insert("dfd_summaries", [self._channel(one) for one in channels])

    def end(
        self,
        name: str,
        reason: str | None,
        audio_seconds: float,
        channels: list[core.ChannelSummary],
    ) -> None:
        """Records the end, and the summary of a call whose client has left."""
        # it refers to the call, whose audio is to be freed at once
        self._warn = _nobody
        if not self._begun:
            return
        if not self._summed_up and channels:
            self.summary(channels)
        values = {
            "ended_at": datetime.now(UTC),
            "end": name,
            "reason": reason,
            "audio_seconds": audio_seconds,
        }
        scores = [Entry("dfd_scores", {"call": self._call, **row}) for row in self._scores.rows()]
        self._journal.put([*scores, Entry("dfd_calls", values, call=self._call)])

    def _insert(self, table: str, rows: list[dict[str, Any]]) -> Ready:
        return self._put([Entry(table, values) for values in rows])

    def _put(self, entries: list[Entry]) -> Ready:
        future = self._journal.put(entries)

        async def ready() -> None:
            if await self._journal.kept(future):
                return
            if self._journal.stops:
                raise JournalDownError(
                    grpc.StatusCode.UNAVAILABLE,
                    DOWN,
                    "the server's journal cannot be written, and it reports nothing that it cannot "
                    "record; try again later, or use another server",
                    retry_seconds=self._retry_seconds,
                )
            if not self._warned:
                self._warned = True
                self._warn(
                    DOWN, "the server's journal cannot be written; results may not be recorded"
                )

        return ready

    def _channel(self, summary: core.ChannelSummary) -> dict[str, Any]:
        cumulative, peak = summary.cumulative_score, summary.peak_rolling_score
        return {
            "call": self._call,
            "channel": summary.channel,
            "verdict": summary.verdict.value,
            "reasons": [reason.value for reason in summary.inconclusive_reasons],
            "spoof_probability": cumulative and cumulative.spoof_probability,
            "spoof_llr": cumulative and cumulative.spoof_llr,
            "peak_probability": peak and peak.spoof_probability,
            "mean_probability": summary.mean_spoof_probability,
            **{name: getattr(summary, name) for name in _TIMES_AND_COUNTS},
        }
