"""OpenTelemetry traces of streams, windows and batches, by option.

A stream's span lasts as long as the call and is a child of the caller's, where its metadata has a
`traceparent`. Each scored window is a child of its stream, from its submission to its result; each
forward pass is a span of its own with a link to every window in it, where these were submitted in
the same process. Neither labels nor addresses are exported.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from dfd.errors import UserError
from dfd.streaming.types import Alert, Window, WindowStatus

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, Tracer


_NANOS = 1_000_000_000
# a collector that does not answer must not hold up the end
_CLOSE_SECONDS = 3.0


class Tracing:
    """Sends spans to a collector from a thread of its own; what it cannot send is dropped.

    The SDK's own environment variables (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER,
    OTEL_EXPORTER_OTLP_HEADERS, ...) are heeded.

    Args:
        endpoint: http:// or https:// URL of a collector that speaks OTLP over gRPC.
        version: of the daemon.

    Raises:
        UserError: if the packages are not installed.
    """

    def __init__(self, endpoint: str, version: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ModuleNotFoundError as error:
            raise UserError(
                f"traces need the package {error.name}: pip install 'dfd[otel]'"
            ) from None
        own = f"{os.uname().nodename}:{os.getpid()}"
        facts = {"service.version": version, "service.instance.id": own}
        if not os.environ.get("OTEL_SERVICE_NAME"):
            facts["service.name"] = "dfd"
        self._provider = TracerProvider(resource=Resource.create(facts), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer: Tracer = self._provider.get_tracer("dfd", version)

    def stream(
        self, kind: str, stream_id: str, model: str, metadata: Iterable[tuple[str, str | bytes]]
    ) -> StreamTrace:
        """Begins the span of a stream or a recording.

        Args:
            kind: "stream" or "recording".
            stream_id: attribute of the span.
            model: its name.
            metadata: of the call, for the caller's span.
        """
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {name: value for name, value in metadata if isinstance(value, str)}
        span = self._tracer.start_span(
            kind,
            TraceContextTextMapPropagator().extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"dfd.stream_id": stream_id, "dfd.model": model},
        )
        return StreamTrace(self._tracer, span)

    def submitting(self) -> SpanContext | None:
        """The window that is being submitted here; None if it came from another process."""
        from opentelemetry.trace import get_current_span

        context = get_current_span().get_span_context()
        return context if context.is_valid else None

    def batch(self, seconds: float, windows: Iterable[SpanContext | None], count: int) -> None:
        """Tells of a forward pass that has just ended.

        Args:
            seconds: how long it took.
            windows: those in it, as far as they are known here.
            count: how many they are.
        """
        from opentelemetry.trace import Link

        now = time.time_ns()
        span = self._tracer.start_span(
            "batch",
            start_time=now - round(seconds * _NANOS),
            links=[Link(context) for context in windows if context is not None],
            attributes={"dfd.batch_size": count},
        )
        span.end(now)

    def close(self) -> None:
        """Sends what waits, for a while."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


class StreamTrace:
    """The span of a stream, and those of its windows."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        from opentelemetry.trace import set_span_in_context

        self._tracer = tracer
        self._span = span
        self._context = set_span_in_context(span)

    @contextlib.contextmanager
    def window(self, window: Window) -> Iterator[Span]:
        """Begins the span of a window, under which it is submitted."""
        from opentelemetry.trace import use_span

        span = self._tracer.start_span(
            "window",
            self._context,
            attributes={
                "dfd.channel": window.channel,
                "dfd.sequence": window.sequence,
                "dfd.start_seconds": window.start_seconds,
                "dfd.end_seconds": window.end_seconds,
                "dfd.provisional": window.provisional,
            },
        )
        with use_span(span):
            yield span

    def alert(self, alert: Alert) -> None:
        """Notes an alert."""
        self._span.add_event(
            "alert cleared" if alert.cleared else "alert",
            {
                "dfd.channel": alert.channel,
                "dfd.trigger": alert.trigger.value,
                "dfd.offset_seconds": alert.offset_seconds,
                "dfd.spoof_probability": alert.score.spoof_probability,
            },
        )

    def end(self, name: str, reason: str | None, audio_seconds: float) -> None:
        """Ends the span.

        Args:
            name: how the stream ended, such as client_done.
            reason: of the status that it ended with.
            audio_seconds: how much was heard.
        """
        from opentelemetry.trace import StatusCode

        self._span.set_attributes({"dfd.end": name, "dfd.audio_seconds": audio_seconds})
        if reason is not None:
            self._span.set_status(StatusCode.ERROR, reason)
        self._span.end()


class WindowOutcome(Protocol):
    """The outcome of a window, as the scheduler gives it."""

    @property
    def status(self) -> WindowStatus:
        """What became of it."""

    @property
    def spoof_llr(self) -> float | None:
        """None unless it was scored."""

    @property
    def queue_seconds(self) -> float:
        """Time until its forward pass."""

    @property
    def compute_seconds(self) -> float:
        """Time of its forward pass."""

    @property
    def batch_size(self) -> int:
        """Windows in that pass."""


def end_window(span: Span, outcome: WindowOutcome) -> None:
    """Ends the span of a window with what became of it."""
    from opentelemetry.trace import StatusCode

    span.set_attributes(
        {
            "dfd.status": outcome.status.value,
            "dfd.queue_seconds": outcome.queue_seconds,
            "dfd.compute_seconds": outcome.compute_seconds,
            "dfd.batch_size": outcome.batch_size,
        }
    )
    if outcome.spoof_llr is None:
        span.set_status(StatusCode.ERROR, outcome.status.value)
    span.end()
