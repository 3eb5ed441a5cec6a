"""The counters of a bridge, exposed to Prometheus if its client is installed."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from dfd.errors import UserError

if TYPE_CHECKING:
    from prometheus_client.core import Metric


@dataclass(frozen=True, slots=True)
class _About:
    """The description of a metric, and the name of its one label; empty for none."""

    text: str
    label: str = ""


COUNTERS = {
    "calls": _About("Calls that began.", "protocol"),
    "calls_ended": _About("Calls that ended.", "reason"),
    "refused": _About("Connections and packets rejected.", "reason"),
    "audio_seconds": _About("Audio received from calls."),
    "gap_seconds": _About("Audio missing from the time line.", "cause"),
    "filled_seconds": _About("Silence inserted where one leg lacked audio."),
    "packets": _About("RTP packets by outcome.", "fate"),
    "notes": _About("Notes of calls besides audio.", "kind"),
    "warnings": _About("Warnings from the daemon and the bridge.", "reason"),
    "alerts": _About("Alerts raised and cleared.", "state"),
    "connections_lost": _About("Times that a stream lost the daemon.", "code"),
    "reconnections": _About("Times that a stream reconnected to the daemon."),
    "streams_failed": _About("Streams that the daemon ended with an error.", "code"),
    "unjudged_calls": _About("Calls that ended without a summary."),
    "daemon_failures": _About("Failed attempts to reach the daemon.", "reason"),
    "sink_failures": _About("Events that a sink could not deliver."),
}


class Metrics:
    """Counters and gauges of one process; updating them is cheap."""

    def __init__(self) -> None:
        self._values: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}

    def add(self, name: str, amount: float = 1.0, label: str = "") -> None:
        """Adds to a counter of `COUNTERS`."""
        self._values[name, label] += amount

    def get(self, name: str, label: str | None = None) -> float:
        """Returns a counter's value; without a label, the sum over its labels."""
        if label is not None:
            return self._values.get((name, label), 0.0)
        return sum(value for (one, _), value in self._values.items() if one == name)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Adds a gauge whose value is read on demand."""
        self._gauges[name] = (text, read)

    def collect(self) -> Iterator[Metric]:
        """Yields all metrics to Prometheus' client."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        values = dict(self._values)
        for name, about in COUNTERS.items():
            labels = [about.label] if about.label else None
            family = CounterMetricFamily(f"dfd_bridge_{name}", about.text, labels=labels)
            for (one, label), value in values.items():
                if one == name:
                    family.add_metric([label] if labels else [], value)
            if not labels and (name, "") not in values:
                family.add_metric([], 0.0)
            yield family
        for name, (text, read) in self._gauges.items():
            yield GaugeMetricFamily(f"dfd_bridge_{name}", text, value=read())


Page = Callable[[], tuple[bool, bytes]]


def expose(
    metrics: Metrics, host: str, port: int, health: Page | None = None
) -> tuple[Callable[[], None], int]:
    """Serves the metrics over HTTP from a thread, and the state of the bridge at /health.

    Args:
        metrics: the metrics.
        host: address to listen on.
        port: port to listen on; 0 lets the system choose.
        health: returns whether all is well, and a JSON page with details.

    Returns:
        A function that stops it, and the port.

    Raises:
        UserError: if the address cannot be bound, or Prometheus' client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, make_wsgi_app
        from prometheus_client.exposition import ThreadingWSGIServer
    except ModuleNotFoundError:
        raise UserError("metrics need prometheus-client: pip install 'dfd[bridge]'") from None

    class _Registered:
        def collect(self) -> Iterator[Metric]:
            return metrics.collect()

    registry = CollectorRegistry()
    registry.register(_Registered())
    page_of_metrics: Any = make_wsgi_app(registry)

    def answer(environment: dict[str, Any], start: Callable[..., Any]) -> Any:
        if health is None or environment.get("PATH_INFO") != "/health":
            return page_of_metrics(environment, start)
        well, page = health()
        status = "200 OK" if well else "503 Service Unavailable"
        start(status, [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
        return [page]

    try:
        server = make_server(
            host, port, answer, server_class=ThreadingWSGIServer, handler_class=_Quiet
        )
    except OSError as error:
        raise UserError(f"metrics cannot be served on {host}:{port}: {error.strerror}") from None
    thread = threading.Thread(target=server.serve_forever, name="dfd-metrics", daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop, server.server_port


class _Quiet(WSGIRequestHandler):
    """Keeps requests out of the log."""

    def log_message(self, *_: object) -> None:
        pass
