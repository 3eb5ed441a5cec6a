"""What operators see of a stream: counts, lines of the log, marks on its trace."""

import logging

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.tracing import StreamTrace
from dfd.streaming.types import Alert, SpeechActivity, StreamWarning, WindowResult
from dfd.v1 import detection_pb2 as pb


def note(
    event: WindowResult | Alert | SpeechActivity | StreamWarning,
    stream_id: str,
    metrics: Metrics,
    trace: StreamTrace | None,
) -> None:
    """Counts warnings and alerts; alerts are logged too, and marked on the trace."""
    if isinstance(event, StreamWarning):
        metrics.warnings.labels(event.reason.value).inc()
    elif isinstance(event, Alert):
        if trace is not None:
            trace.alert(event)
        if not event.cleared:
            metrics.alerts.labels(event.trigger.value).inc()
        log(
            logging.INFO,
            "alert cleared" if event.cleared else "alert",
            stream_id=stream_id,
            channel=event.channel,
            trigger=event.trigger.value,
            watermark=None if event.watermark is None else event.watermark.scheme,
            offset_seconds=event.offset_seconds,
            spoof_probability=event.score.spoof_probability,
            threshold=event.threshold,
        )


def note_start(
    config: pb.StreamingDetectConfig, *, peer: str, token: str | None, resumed: bool
) -> None:
    """Logs the start of a stream with its effective configuration."""
    audio = config.audio_format
    log(
        logging.INFO,
        "stream started",
        stream_id=config.stream_id,
        peer=peer,
        token=token,
        model=config.model,
        labels=dict(config.labels),
        encoding=pb.AudioFormat.Encoding.Name(audio.encoding),
        sample_rate_hertz=audio.sample_rate_hertz,
        channels=list(config.channels),
        resumed=resumed,
    )
