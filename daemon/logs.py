"""Structured logs on standard error: one line an event, as key=value or as JSON."""

import logging
import sys
from typing import Any

import grpc.aio

from dfd import loglines
from dfd.detector.spec import ModelSpec
from dfd.loglines import fields_of
from dfd.logqueue import LineQueue

LOGGER = logging.getLogger("dfd")


def log(level: int, event: str, /, *, exc_info: Any = False, **fields: object) -> None:
    """Writes one event; never give it audio or secrets."""
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, event, exc_info=exc_info, extra={"fields": fields})


def configure(level: str, form: str, process: str | None = None) -> None:
    """Sends everything that is logged in this process to standard error; no one waits for that.

    Args:
        level: the least that is logged.
        form: text or json.
        process: the name that it goes by, where there are several.
    """
    handler = LineQueue(sys.stderr)
    handler.setFormatter(loglines.form(form))
    if process is not None:
        handler.addFilter(_Named(process))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # chatty at INFO, and not about this daemon
    for name in ("asyncio", "grpc", "urllib3", "filelock"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("grpc._cython.cygrpc").addFilter(_not_of_who_left)


def dropped_lines() -> int:
    """Lines that this process could not write."""
    return sum(h.dropped for h in logging.getLogger().handlers if isinstance(h, LineQueue))


def _not_of_who_left(record: logging.LogRecord) -> bool:
    """Passes over grpc's tracebacks of writing to clients that are gone: that is no fault."""
    error = record.exc_info and record.exc_info[1]
    return not isinstance(error, grpc.aio.BaseError)


class _Named(logging.Filter):
    """Puts the process' name before the fields of each event."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets all pass."""
        record.fields = {"process": self._process, **fields_of(record)}
        return True


def model_fields(spec: ModelSpec) -> dict[str, object]:
    """A model, as the log names it."""
    return {
        "model": spec.name,
        "version": spec.version,
        "weights_sha256": spec.weights_sha256,
        "device": spec.device,
        "precision": spec.precision,
        "batch_buckets": spec.batch_buckets,
    }
