"""Structured logs on standard error: one line an event, as key=value or as JSON."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import grpc.aio

from dfd.daemon.logqueue import LineQueue
from dfd.detector.spec import ModelSpec

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
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
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
        record.fields = {"process": self._process, **_fields(record)}
        return True


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields = getattr(record, "fields", None)
    if not isinstance(fields, Mapping):
        return {}
    return {name: value for name, value in fields.items() if value is not None}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Puts time, level and event before the event's own fields."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if record.name != LOGGER.name:
            line["logger"] = record.name
        line.update(_fields(record))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """Time, level and event, then key=value; a traceback follows on its own lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Quotes what a caller wrote, so that one event stays one line."""
        head = f"{_time(record)} {record.levelname.lower():7} {_one_line(record.getMessage())}"
        if record.name != LOGGER.name:
            head += f" logger={record.name}"
        pairs = "".join(f" {name}={_value(value)}" for name, value in _fields(record).items())
        tail = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return head + pairs + tail


def _one_line(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        plain = value and value.isprintable() and not any(mark in value for mark in ' "=\\')
        return value if plain else json.dumps(value, ensure_ascii=not value.isprintable())
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, default=str)
    return str(value)


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
