"""Shows reports as tables."""

from typing import Any

from rich.console import Console

from dfd.clients.display.tables import plain_table

Report = dict[str, Any]


def show(report: Report, console: Console) -> None:
    """Prints the report of any benchmark."""
    if report["benchmark"] == "compare":
        _compare(report, console)
        return
    host = report["machine"]
    sets = " ".join(host.get("instruction_sets") or ["instruction sets unknown"])
    console.print(
        f"{host['cpu']} ({sets}), {host['cores']} cores, load {host['load_before']} before, "
        f"{host['date']}",
        highlight=False,
    )
    {"model": _model, "serve": _serve, "core": _core}[report["benchmark"]](report, console)


def _model(report: Report, console: Console) -> None:
    console.print(
        f"{report['model']} on {report['device']}, {report['operations_per_window'] / 1e9:.1f} "
        f"billion operations a window of {report['window_seconds']:g} s, {report['clock']} time",
        highlight=False,
    )
    table = plain_table(caption=f"median, lowest and highest of {report['rounds']}, taken in turns")
    for name in ("engine", "precision"):
        table.add_column(name)
    ratios = [one["ratio"] for one in report["results"] if "ratio" in one]
    to = f"times {ratios[0]['to']}" if ratios else "ratio"
    for name in ("batch", "windows/s", "low", "high", "ms/window", "GFLOP/s", "of peak", to):
        table.add_column(name, justify="right")
    for one in report["results"]:
        table.add_row(
            one["engine"],
            one["precision"],
            str(one["batch"]),
            f"{one['windows_per_second']:.2f}",
            f"{one['windows_per_second_low']:.2f}",
            f"{one['windows_per_second_high']:.2f}",
            f"{one['ms_per_window']:.2f}",
            f"{one['flops'] / 1e9:.0f}",
            "-" if one["of_peak"] is None else f"{100 * one['of_peak']:.0f} %",
            _ratio(one.get("ratio")),
        )
    console.print(table)
    for name, value in report["peak_flops"].items():
        console.print(f"{name}: matrix peak {value / 1e9:.0f} GFLOP/s", highlight=False)
    for name, value in report["largest_difference_in_probability"].items():
        console.print(f"{name}: within {value:.4f} of fp32 in probability", highlight=False)
    for name, reason in report["missing"].items():
        console.print(f"{name}: not measured: {reason}", highlight=False, markup=False)


def _ratio(ratio: Report | None) -> str:
    if ratio is None:
        return "-"
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def _compare(report: Report, console: Console) -> None:
    for name, host in zip(("before", "after"), report["machines"], strict=True):
        console.print(
            f"{name}: {host['cpu']}, {host['cores']} cores, load {host['load_before']}, "
            f"{host['date']}",
            highlight=False,
        )
    if not report["same_machine"]:
        console.print("measured on two machines: the ratios mean little", highlight=False)
    table = plain_table()
    table.add_column("figure")
    for name in ("before", "after", "ratio"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in report["rows"]:
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.2f}"
        table.add_row(
            row["figure"], f"{row['before']:g}", f"{row['after']:g}", ratio, row["verdict"]
        )
    console.print(table)


def _serve(report: Report, console: Console) -> None:
    table = plain_table(caption="milliseconds from a window's end to its result: p50 / p95 / p99")
    table.add_column("streams", justify="right")
    for name in ("all", "network", "queue", "compute"):
        table.add_column(name)
    for name in ("shed", "CPU ms/stream s", "KiB/stream"):
        table.add_column(name, justify="right")
    for step in sorted(report["steps"], key=lambda step: int(step["streams"])):
        parts = [step[f"{name}_ms"] for name in ("latency", "network", "queue", "compute")]
        table.add_row(
            str(step["streams"]),
            *(_percentiles(part) for part in parts),
            str(step["shed"]),
            f"{step['cpu_ms_per_stream_second']:.2f}",
            f"{step['memory_kib_per_stream']:.0f}",
        )
    console.print(table)
    console.print(
        f"ready after {report['ready_seconds']:.1f} s, {report['memory_at_rest_mib']:.0f} MiB at "
        "rest",
        highlight=False,
    )
    more = " (the limit)" if report["limit_reached"] else ""
    console.print(
        f"{report['streams_held']} streams held{more} within {report['budget_ms']:g} ms at p99",
        highlight=False,
    )


def _percentiles(part: dict[str, float] | None) -> str:
    if part is None:
        return "-"
    return " / ".join(f"{part[name]:.0f}" for name in ("p50", "p95", "p99"))


def _core(report: Report, console: Console) -> None:
    table = plain_table(caption=f"median, lowest and highest of {report['rounds']}, taken in turns")
    table.add_column("format")
    for name in ("CPU ms/stream s", "low", "high", "streams a core"):
        table.add_column(name, justify="right")
    for one in report["results"]:
        table.add_row(
            one["format"],
            f"{one['cpu_ms_per_stream_second']:.3f}",
            f"{one['cpu_ms_low']:.3f}",
            f"{one['cpu_ms_high']:.3f}",
            str(one["streams_per_core"]),
        )
    console.print(table)
    console.print(f"{report['memory_kib_per_stream']:.0f} KiB a stream", highlight=False)
