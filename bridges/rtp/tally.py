"""Transfers the packet counts of one source to the metrics."""

from __future__ import annotations

from dfd.bridges.metrics import Metrics
from dfd.bridges.rtp.source import RtpCall


class Tally:
    """The counts of one source as last reported.

    Args:
        metrics: counts for all sources.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told: dict[str, int] = {}

    def update(self, rtp: RtpCall) -> None:
        """Reports what was counted since the last time."""
        jitter, line = rtp.jitter_counts, rtp.timeline_counts
        counts = {
            "received": jitter.received,
            "reordered": jitter.reordered,
            "duplicate": jitter.duplicate,
            "late": jitter.late,
            "lost": jitter.lost,
            "undecodable": line.undecodable_packets,
            "overlapping": line.overlapping_packets,
            "unknown_payload": rtp.unknown_payloads,
            "foreign_ssrc": rtp.foreign_sources,
        }
        for fate, count in counts.items():
            self.reached(fate, count)

    def reached(self, fate: str, count: int) -> None:
        """Adds the growth of a count; a new source starts at zero again."""
        more = count - self._told.get(fate, 0)
        if more:
            self._metrics.add("packets", float(max(more, 0)), fate)
            self._told[fate] = count
