"""`dfd bench compare`: the figures of one report against those of another."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfd.errors import UserError

Report = dict[str, Any]
_BETTER, _WORSE, _SAME = "better", "worse", "within the spread"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a report with its lowest and highest; all three are equal for a single value."""

    value: float
    low: float
    high: float
    more_is_better: bool


def read(path: Path) -> Report:
    """Reads a report.

    Raises:
        UserError: if it is missing, or was not written by `dfd bench`.
    """
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("benchmark") not in _READERS:
        raise UserError(f"{path} is not a report: name a file that dfd bench --report wrote")
    return found


def ratios(before: Report, after: Report) -> Report:
    """Returns the figures that both reports have, and the ratio of the later to the earlier.

    Raises:
        UserError: if they are reports of different benchmarks, or have no figure in common.
    """
    kind = before["benchmark"]
    if after["benchmark"] != kind:
        raise UserError(
            f"one is a report of dfd bench {kind}, the other of dfd bench {after['benchmark']}: "
            "name two of the same kind"
        )
    old, new = dict(_READERS[kind](before)), dict(_READERS[kind](after))
    rows = [
        {
            "figure": name,
            "before": old[name].value,
            "after": new[name].value,
            "ratio": round(new[name].value / old[name].value, 3) if old[name].value else None,
            "verdict": _verdict(old[name], new[name]),
        }
        for name in old
        if name in new
    ]
    if not rows:
        raise UserError("the two reports have no figure in common: name two of the same model")
    hosts = [report["machine"] for report in (before, after)]
    return {
        "of": kind,
        "machines": hosts,
        "same_machine": len({(host["cpu"], host["cores"]) for host in hosts}) == 1,
        "rows": rows,
    }


def _verdict(old: Figure, new: Figure) -> str:
    if new.low <= old.high and old.low <= new.high:
        return _SAME
    return _BETTER if (new.value > old.value) == old.more_is_better else _WORSE


def _model(report: Report) -> Iterator[tuple[str, Figure]]:
    for row in report["results"]:
        name = f"{report['model']} {row['engine']} {row['precision']}, batch {row['batch']}"
        rate = "windows_per_second"
        yield (
            f"{name}: windows/s",
            Figure(row[rate], row[f"{rate}_low"], row[f"{rate}_high"], True),
        )
        ratio = row.get("ratio")
        if ratio is not None:
            yield (
                f"{name}: times {ratio['to']}",
                Figure(ratio["median"], ratio["low"], ratio["high"], True),
            )


def _core(report: Report) -> Iterator[tuple[str, Figure]]:
    for row in report["results"]:
        yield (
            f"{row['format']}: CPU ms a stream and second",
            Figure(row["cpu_ms_per_stream_second"], row["cpu_ms_low"], row["cpu_ms_high"], False),
        )


def _serve(report: Report) -> Iterator[tuple[str, Figure]]:
    for name, more in (
        ("streams_held", True),
        ("cpu_ms_per_stream_second", False),
        ("ready_seconds", False),
        ("memory_at_rest_mib", False),
    ):
        value = report.get(name)
        if value is not None:
            yield name.replace("_", " "), Figure(value, value, value, more)


_READERS = {"model": _model, "core": _core, "serve": _serve}
