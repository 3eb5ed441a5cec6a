"""Prometheus metrics: a registry of their own, labels from fixed sets."""

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)

from dfd.daemon.logs import dropped_lines
from dfd.daemon.tracing import Tracing
from dfd.detector.spec import ModelSpec

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
# weight of the latest batch in the smoothed real-time factor
_SMOOTHING = 0.1


_MODEL = ("name", "version", "weights_sha256", "device", "precision", "engine")


class Part:
    """What one of several adds to a gauge."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._value = 0.0

    def set(self, value: float) -> None:
        """Sets this part."""
        self._gauge.inc(value - self._value)
        self._value = value


class Metrics:
    """The daemon's figures; cheap to touch on the hot path.

    Attributes:
        tracing: traces of what is counted here; None if none are wanted.
    """

    def __init__(self) -> None:
        self.tracing: Tracing | None = None
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.streams_active = Gauge(
            "dfd_streams_active", "Streams and recordings being judged.", registry=registry
        )
        self.slots_max = Gauge(
            "dfd_stream_slots", "Most streams that may run at once.", registry=registry
        )
        self.slots_free = Gauge(
            "dfd_stream_slots_free", "Streams that would still be admitted.", registry=registry
        )
        self.streams = Counter("dfd_streams", "Streams that ended.", ["end"], registry=registry)
        self.recordings = Counter(
            "dfd_recordings", "Recordings that ended.", ["end"], registry=registry
        )
        self.errors = Counter(
            "dfd_errors", "Calls that ended with an error.", ["code", "reason"], registry=registry
        )
        self.windows = Counter("dfd_windows", "Windows by outcome.", ["status"], registry=registry)
        self.member_windows = Counter(
            "dfd_member_windows",
            "Windows of fusions and cascades by member and its outcome.",
            ["model", "status"],
            registry=registry,
        )
        self.cascade_windows = Counter(
            "dfd_cascade_windows",
            "Windows of cascades that went on to the second model, or were kept from it.",
            ["cascade", "went"],
            registry=registry,
        )
        self.tasks = Gauge(
            "dfd_tasks", "Tasks of the event loops, counted every 2 s.", registry=registry
        )
        self.queue_length = Gauge(
            "dfd_queue_length", "Windows waiting for the classifier.", registry=registry
        )
        self.oldest_window_seconds = Gauge(
            "dfd_oldest_window_seconds",
            "How long the oldest live window has waited to be scored.",
            registry=registry,
        )
        self.queue_seconds = Histogram(
            "dfd_queue_seconds",
            "Time from a window's submission to its forward pass.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.compute_seconds = Histogram(
            "dfd_compute_seconds",
            "Duration of a batch's forward pass.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch_size = Histogram(
            "dfd_batch_size", "Windows in a forward pass.", buckets=_BATCHES, registry=registry
        )
        self.result_seconds = Histogram(
            "dfd_result_seconds",
            "Time from the last audio of a scored window to its result on the wire.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.real_time_factor = Gauge(
            "dfd_real_time_factor",
            "Share of the device that one channel uses: compute time of a window divided by its"
            " hop.",
            registry=registry,
        )
        self.audio_seconds = Counter(
            "dfd_audio_seconds", "Audio received, counting every judged channel.", registry=registry
        )
        self.alerts = Counter("dfd_alerts", "Alerts raised.", ["trigger"], registry=registry)
        self.warnings = Counter("dfd_warnings", "Warnings sent.", ["reason"], registry=registry)
        self.watermark_windows = Counter(
            "dfd_watermark_windows",
            "Windows that were to be read for watermarks, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self.scheduler_restarts = Counter(
            "dfd_scheduler_restarts", "Times the batch worker was restarted.", registry=registry
        )
        self.batch_failures = Counter(
            "dfd_batch_failures", "Forward passes that failed.", registry=registry
        )
        self.journal_entries = Counter(
            "dfd_journal_entries",
            "Rows of the journal by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.journal_failures = Counter(
            "dfd_journal_failures",
            "Times the journal's database could not be written.",
            registry=registry,
        )
        self.journal_up = Gauge(
            "dfd_journal_up", "0 while the journal's database cannot be written.", registry=registry
        )
        self.journal_up.set(1)
        self.process_restarts = Counter(
            "dfd_process_restarts",
            "Times a worker or an instance was restarted.",
            ["role"],
            registry=registry,
        )
        self.ready = Gauge(
            "dfd_ready", "1 while the model is warm and streams are accepted.", registry=registry
        )
        Gauge(
            "dfd_log_lines_dropped",
            "Log lines dropped since the start because nobody read them.",
            registry=registry,
        ).set_function(dropped_lines)
        self._models = Gauge(
            "dfd_model_info", "The models being served.", _MODEL, registry=registry
        )
        self._hop_seconds = 2.0
        self._factor: float | None = None

    def set_models(self, specs: Sequence[ModelSpec]) -> None:
        """Sets the models being served, the default one first."""
        self._hop_seconds = specs[0].hop_samples / specs[0].sample_rate_hz
        self._models.clear()
        for spec in specs:
            self._models.labels(*(getattr(spec, name) for name in _MODEL)).set(1)

    def batch_done(self, size: int, compute_seconds: float) -> None:
        """Counts one successful forward pass."""
        self.batch_size.observe(size)
        self.compute_seconds.observe(compute_seconds)
        factor = compute_seconds / (size * self._hop_seconds)
        if self._factor is not None:
            factor = _SMOOTHING * factor + (1 - _SMOOTHING) * self._factor
        self._factor = factor
        self.real_time_factor.set(factor)

    def value(self, name: str, **labels: str) -> float:
        """Returns one figure as the page would show it; 0 if it was never set."""
        return self.registry.get_sample_value(name, labels) or 0.0
