"""OpenTelemetry traces of streams, windows and batches, exported on request.

A stream's span lasts as long as the call; it is a child of the caller's span if the call's metadata
has a `traceparent`. Each window has a child span from its submission to its result. Each forward
pass has a span of its own, linked to those of its windows that were submitted in the same process.
Neither labels nor addresses are exported.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dfd.errors import UserError
from dfd.streaming.types import Alert, Window, WindowStatus

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, Tracer


_NANOS = 1_000_000_000
# a collector that does not answer must not delay the daemon's end
_CLOSE_SECONDS = 3.0


class Tracing:
    """Sends spans to a collector from its own thread; what cannot be sent is dropped.

    The SDK's own environment variables (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER,
    OTEL_EXPORTER_OTLP_HEADERS, ...) apply.

    Args:
        endpoint: http:// or https:// URL of a collector that speaks OTLP over gRPC.
        version: version of the daemon.

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
            stream_id: id of the stream.
            model: name of the model.
            metadata: metadata of the call, which may name the caller's span.
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
        """Returns the window being submitted here; None if it came from another process."""
        from opentelemetry.trace import get_current_span

        context = get_current_span().get_span_context()
        return context if context.is_valid else None

    def batch(self, seconds: float, windows: Iterable[SpanContext | None], count: int) -> None:
        """Records a forward pass that has just ended.

        Args:
            seconds: its duration.
            windows: its windows, None for those submitted in another process.
            count: number of windows.
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
        """Sends what is still waiting, for a limited time."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


class StreamTrace:
    """The span of a stream and of its windows."""

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
        """Adds an alert to the span."""
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
            reason: reason of the final status; None if that is OK.
            audio_seconds: amount of audio received.
        """
        from opentelemetry.trace import StatusCode

        self._span.set_attributes({"dfd.end": name, "dfd.audio_seconds": audio_seconds})
        if reason is not None:
            self._span.set_status(StatusCode.ERROR, reason)
        self._span.end()


def end_window(span: Span, status: WindowStatus, **facts: float) -> None:
    """Ends the span of a window.

    Args:
        span: the span.
        status: outcome of the window.
        facts: attributes, such as the duration of its forward pass.
    """
    from opentelemetry.trace import StatusCode

    named = {f"dfd.{name}": fact for name, fact in facts.items()}
    span.set_attributes({"dfd.status": status.value, **named})
    if status is not WindowStatus.SCORED:
        span.set_status(StatusCode.ERROR, status.value)
    span.end()
