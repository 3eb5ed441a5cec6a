"""Merges the metrics of all processes into those of one daemon."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

# name, help, type and samples (name, labels, value) of each metric; plain, so that it pickles
Families = list[tuple[str, str, str, list[tuple[str, dict[str, str], float]]]]

# everything else is added up
_RULES: dict[str, Callable[[float, float], float]] = {
    "dfd_model_info": max,
    "dfd_ready": min,
    "dfd_oldest_window_seconds": max,
    "dfd_real_time_factor": max,
    "dfd_stream_slots": max,
    "dfd_stream_slots_free": max,
    "process_max_fds": min,
    "process_start_time_seconds": min,
}
_LASTING = ("counter", "histogram")


def snapshot(registry: CollectorRegistry) -> Families:
    """Returns all present figures of a process."""
    return [
        (
            family.name,
            family.documentation,
            family.type,
            [
                (sample.name, dict(sample.labels), sample.value)
                for sample in family.samples
                if sample.labels or family.type != "info"  # one that was never set
            ],
        )
        for family in registry.collect()
    ]


def lasting(families: Families) -> Families:
    """Returns what to keep of a process that is gone, so that counters do not go backwards."""
    return [family for family in families if family[2] in _LASTING]


def merge(parts: Iterable[Families]) -> Families:
    """Merges the figures of several processes."""
    heads: dict[str, tuple[str, str]] = {}
    sums: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for name, text, kind, samples in (family for part in parts for family in part):
        heads.setdefault(name, (text, kind))
        totals = sums.setdefault(name, {})
        for sample, labels, value in samples:
            key = (sample, tuple(labels.items()))
            if key in totals:
                rule = min if sample.endswith("_created") else _RULES.get(sample)
                value = totals[key] + value if rule is None else rule(totals[key], value)
            totals[key] = value
    return [
        (name, *heads[name], [(sample, dict(labels), value) for (sample, labels), value in totals])
        for name, totals in ((name, list(values.items())) for name, values in sums.items())
    ]


class MergedCollector(Collector):
    """A registry's view of figures that are gathered on demand.

    Args:
        gather: returns them; called in the page's thread.
    """

    def __init__(self, gather: Callable[[], Families]) -> None:
        self._gather = gather

    def collect(self) -> Iterator[Metric]:
        """Gathers the figures."""
        for name, text, kind, samples in self._gather():
            metric = Metric(name, text, kind)
            for sample, labels, value in samples:
                metric.add_sample(sample, labels, value)
            yield metric

    def describe(self) -> Iterable[Any]:
        """Returns nothing, since nothing is known before it is gathered."""
        return ()
