"""Log lines: time, level and event, then the event's own fields, as key=value or as JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime

ROOT = "dfd"


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Returns the fields that an event was logged with."""
    fields = getattr(record, "fields", None)
    if not isinstance(fields, Mapping):
        return {}
    return {name: value for name, value in fields.items() if value is not None}


def form(name: str) -> logging.Formatter:
    """Returns the formatter with this name, "text" or "json"."""
    return JsonFormatter() if name == "json" else TextFormatter()


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """Formats each event as one JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats time, level and event, then the event's own fields."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if record.name != ROOT:
            line["logger"] = record.name
        line.update(fields_of(record))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """Formats time, level and event, then key=value; a traceback follows on its own lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats one event, quoting values so that it stays on one line."""
        head = f"{_time(record)} {record.levelname.lower():7} {_one_line(record.getMessage())}"
        if record.name != ROOT:
            head += f" logger={record.name}"
        pairs = "".join(f" {name}={_value(value)}" for name, value in fields_of(record).items())
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
