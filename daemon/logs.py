"""Structured logs on standard error: one line per event, as key=value or as JSON."""

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
    """Logs one event; never pass it audio or secrets."""
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, event, exc_info=exc_info, extra={"fields": fields})


def configure(level: str, form: str, process: str | None = None) -> None:
    """Sends everything logged in this process to standard error, without ever blocking.

    Args:
        level: lowest level to log.
        form: text or json.
        process: name of the process, if there are several.
    """
    handler = LineQueue(sys.stderr)
    handler.setFormatter(loglines.form(form))
    if process is not None:
        handler.addFilter(_Named(process))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # verbose at INFO, and not about this daemon
    for name in ("asyncio", "grpc", "urllib3", "filelock"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("grpc._cython.cygrpc").addFilter(_not_of_who_left)


def dropped_lines() -> int:
    """Returns the number of lines that this process could not write."""
    return sum(h.dropped for h in logging.getLogger().handlers if isinstance(h, LineQueue))


def _not_of_who_left(record: logging.LogRecord) -> bool:
    """Drops grpc's tracebacks about writing to clients that have left, which is not a fault."""
    error = record.exc_info and record.exc_info[1]
    return not isinstance(error, grpc.aio.BaseError)


class _Named(logging.Filter):
    """Puts the process's name before the fields of each event."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record pass."""
        record.fields = {"process": self._process, **fields_of(record)}
        return True


def model_fields(spec: ModelSpec) -> dict[str, object]:
    """Returns the log fields that describe a model."""
    return {
        "model": spec.name,
        "version": spec.version,
        "weights_sha256": spec.weights_sha256,
        "device": spec.device,
        "precision": spec.precision,
        "batch_buckets": spec.batch_buckets,
    }
