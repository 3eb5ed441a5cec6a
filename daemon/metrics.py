"""What Prometheus is told: its own registry, labels from fixed sets."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
)

from dfd.daemon.logs import dropped_lines
from dfd.detector.spec import ModelSpec

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
# weight of the newest batch in the smoothed real-time factor
_SMOOTHING = 0.1


class Metrics:
    """The daemon's figures; cheap to touch on the hot path."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.streams_active = Gauge(
            "dfd_streams_active", "Streams and recordings being judged.", registry=registry
        )
        self.slots_max = Gauge(
            "dfd_stream_slots", "Streams that may run at once.", registry=registry
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
        self.windows = Counter(
            "dfd_windows", "Windows by what became of them.", ["status"], registry=registry
        )
        self.queue_length = Gauge(
            "dfd_queue_length", "Windows waiting for the classifier.", registry=registry
        )
        self.oldest_window_seconds = Gauge(
            "dfd_oldest_window_seconds",
            "How long the oldest live window has waited to be judged.",
            registry=registry,
        )
        self.queue_seconds = Histogram(
            "dfd_queue_seconds",
            "From the audio of a window to its forward pass.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.compute_seconds = Histogram(
            "dfd_compute_seconds", "Forward pass of a batch.", buckets=_SECONDS, registry=registry
        )
        self.batch_size = Histogram(
            "dfd_batch_size", "Windows in a forward pass.", buckets=_BATCHES, registry=registry
        )
        self.result_seconds = Histogram(
            "dfd_result_seconds",
            "From the last audio of a scored window to its result on the wire.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.real_time_factor = Gauge(
            "dfd_real_time_factor",
            "Share of the device that one channel takes: compute time of a window over its hop.",
            registry=registry,
        )
        self.audio_seconds = Counter(
            "dfd_audio_seconds", "Audio taken, every judged channel counted.", registry=registry
        )
        self.alerts = Counter("dfd_alerts", "Alerts that began.", ["trigger"], registry=registry)
        self.warnings = Counter("dfd_warnings", "Warnings sent.", ["reason"], registry=registry)
        self.scheduler_restarts = Counter(
            "dfd_scheduler_restarts", "Times the batch worker was restarted.", registry=registry
        )
        self.batch_failures = Counter(
            "dfd_batch_failures", "Forward passes that failed.", registry=registry
        )
        self.journal_entries = Counter(
            "dfd_journal_entries",
            "Rows of the journal by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self.journal_failures = Counter(
            "dfd_journal_failures", "Times the journal's database took nothing.", registry=registry
        )
        self.journal_up = Gauge(
            "dfd_journal_up", "0 while the journal's database takes nothing.", registry=registry
        )
        self.journal_up.set(1)
        self.process_restarts = Counter(
            "dfd_process_restarts",
            "Times a worker or an instance was started again.",
            ["role"],
            registry=registry,
        )
        self.ready = Gauge(
            "dfd_ready", "1 while the model is warm and streams are taken.", registry=registry
        )
        Gauge(
            "dfd_log_lines_dropped",
            "Lines of the log that nobody took, since the start.",
            registry=registry,
        ).set_function(dropped_lines)
        self._model = Info("dfd_model", "The model that is served.", registry=registry)
        self._hop_seconds = 2.0
        self._factor: float | None = None

    def set_model(self, spec: ModelSpec) -> None:
        """Names the model that is served."""
        self._hop_seconds = spec.hop_samples / spec.sample_rate_hz
        self._model.info(
            {
                "name": spec.name,
                "version": spec.version,
                "weights_sha256": spec.weights_sha256,
                "device": spec.device,
                "precision": spec.precision,
                "engine": spec.engine,
            }
        )

    def batch_done(self, size: int, compute_seconds: float) -> None:
        """Counts one forward pass that went well."""
        self.batch_size.observe(size)
        self.compute_seconds.observe(compute_seconds)
        factor = compute_seconds / (size * self._hop_seconds)
        if self._factor is not None:
            factor = _SMOOTHING * factor + (1 - _SMOOTHING) * self._factor
        self._factor = factor
        self.real_time_factor.set(factor)

    def value(self, name: str, **labels: str) -> float:
        """One figure as a page would show it; 0 where it was never touched."""
        return self.registry.get_sample_value(name, labels) or 0.0
