"""The report as Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

Report = dict[str, Any]


def made(report: Report) -> str:
    """Returns the page of a report with the parts it has so far."""
    lines = ["# gpu-check", "", f"`{' '.join(report['command'])}`", ""]
    lines += _table(
        ("part", "result", "seconds"),
        (
            (name, part["status"] + _why(part), part.get("seconds", "-"))
            for name, part in report["parts"].items()
        ),
    )
    sections = {
        "environment": _environment,
        "model": _model,
        "tests": _tests,
        "queue": _queue,
        "daemon": _daemon,
    }
    for name, section in sections.items():
        part = report["parts"].get(name)
        if part is not None and part.get("figures"):
            lines += ["", f"## {name}", "", *section(part["figures"])]
        if part is not None and part.get("said"):
            lines += ["", "```", *part["said"].strip().splitlines()[-25:], "```"]
    return "\n".join(lines) + "\n"


def _why(part: Report) -> str:
    why = part.get("why") or part.get("figures", {}).get("skipped")
    return f": {why}" if why else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in rows),
    ]


def _environment(figures: Report) -> list[str]:
    host = figures.get("machine", {})
    lines = [f"{host.get('cpu')}, {figures.get('cores')} cores, {host.get('date')}"]
    card = figures.get("card")
    if card is not None:
        lines.append(
            f"{card['name']} ({card['memory_gib']} GiB, {card['multiprocessors']} "
            f"multiprocessors), CUDA {card['cuda']}, cuDNN {card['cudnn']}"
        )
    versions = figures.get("versions", {})
    lines += ["", ", ".join(f"{name} {version}" for name, version in versions.items()), ""]
    peaks = figures.get("peak_flops", {})
    return lines + _table(
        ("precision", "matrix peak, TFLOP/s"),
        ((name, f"{rate / 1e12:.4g}") for name, rate in peaks.items()),
    )


def _model(figures: Report) -> list[str]:
    lines: list[str] = []
    for model in figures.get("models", []):
        name = model["model"]
        lines += [f"{name}: {model['operations'] / 1e9:.1f} billion operations per window", ""]
        rows = [row for row in figures.get("rates", []) if row["model"] == name]
        lines += _table(
            ("way", "precision", "batch", "windows/s", "low to high", "ms/batch", "of peak"),
            (
                (
                    *(row["way"], row["precision"], row["batch"], row["windows_per_second"]),
                    *(f"{row['low']} to {row['high']}", row["ms"]),
                    f"{100 * row['of_peak']:.1f} %",
                )
                for row in rows
            ),
        )
        lines += ["", "From and to the CPU's memory, as the daemon calls it:", ""]
        lines += _table(
            ("precision", "windows", "windows/s", "low to high", "ms"),
            (
                (
                    *(row["precision"], row["windows"], row["windows_per_second"]),
                    *(f"{row['low']} to {row['high']}", row["ms"]),
                )
                for row in figures.get("served", [])
                if row["model"] == name
            ),
        )
        lines += ["", "Largest difference from fp32:", ""]
        lines += _table(
            ("way", "precision", "probability", "log-odds"),
            (
                (
                    *(row["way"], row["precision"]),
                    *(row.get("failed") or row["probability"], row.get("log_odds", "-")),
                )
                for row in figures.get("agreement", [])
                if row["model"] == name
            ),
        )
        lines.append("")
    for table in figures.get("kernels", []):
        lines += [
            f"{table['model']}, {table['way']}, batch {table['batch']}: {table['ms']} ms in "
            "kernels",
            "",
            *_table(
                ("ms", "calls", "kernel"),
                ((row["ms"], row["calls"], f"`{row['name']}`") for row in table["kernels"]),
            ),
            "",
        ]
    for row in figures.get("failed", []):
        said = " ".join(str(row.get(key, "")) for key in ("model", "way", "precision"))
        lines.append(f"- failed: {said}: {row['why']}")
    return lines + [f"- {line}" for line in figures.get("left_out", [])]


def _tests(figures: Report) -> list[str]:
    cases = figures.get("tests", [])
    lines = _table(
        ("test", "result", "seconds", "why"),
        (
            (row["name"], row["result"], row["seconds"], row["why"].partition("\n")[0])
            for row in cases
        ),
    )
    for row in cases:
        if row["result"] == "failed":
            lines += ["", f"{row['name']}:", "", "```", *row["where"].splitlines()[-40:], "```"]
    return lines


def _queue(figures: Report) -> list[str]:
    return [
        f"{figures.get('precision')}, at most {figures.get('most_windows_per_second')} windows/s",
        "",
        *_table(
            ("share", "windows/s", "scored", "lost", "per batch", "queue", "compute", "both"),
            (
                (
                    f"{100 * row['share']:.0f} %",
                    *(row["windows_per_second"], row["scored"], row["lost"]),
                    row["windows_in_a_batch"],
                    *(_percentiles(row[key]) for key in ("queue_ms", "compute_ms")),
                    _percentiles(row["queue_and_compute_ms"]),
                )
                for row in figures.get("loads", [])
            ),
        ),
        "",
        "Milliseconds, p50 / p95 / p99.",
    ]


def _daemon(figures: Report) -> list[str]:
    lines = _table(
        ("model", "SERVING after, s", "MiB at rest"),
        (
            (row["model"], row["ready_seconds"], row["memory_at_rest_mib"])
            for row in figures.get("daemons", [])
        ),
    )
    lines += ["", *(f"- replay: {row}" for row in figures.get("replays", [])), ""]
    lines += _table(
        ("model", "streams", "windows", "latency", "queue", "compute", "CPU ms/stream s", "errors"),
        (
            (
                *(row["model"], row["streams"], row["windows"]),
                *(_percentiles(row[f"{key}_ms"]) for key in ("latency", "queue", "compute")),
                row["cpu_ms_per_stream_second"],
                "; ".join(f"{count} times: {said}" for said, count in row["errors"].items()) or "-",
            )
            for row in figures.get("streams", [])
        ),
    )
    return lines + [f"- {line}" for line in figures.get("left_out", [])]


def _percentiles(part: dict[str, float] | None) -> str:
    if part is None:
        return "-"
    return " / ".join(f"{part[name]:.1f}" for name in ("p50", "p95", "p99"))
