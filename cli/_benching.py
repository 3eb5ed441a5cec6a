"""What all benchmarks share: their outputs are a table or JSON, a report in a file and a plot."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dfd.cli._outputs import PICTURE, json_option, report_option, write_text


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers separated by commas."""

    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Reads the word."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(sorted({int(word) for word in str(value).split(",")}))
        except ValueError:
            numbers = ()
        if not numbers or numbers[0] < 1:
            self.fail(f"{value} is not a list of whole numbers: write them as 1,4,8", param, ctx)
        return numbers


def output_options(function: Any) -> Any:
    """Adds the options that all benchmarks share."""
    for option in (
        click.option("--quick", is_flag=True, help="A short run that only shows that it works."),
        click.option(
            "--plot",
            "plot_path",
            type=PICTURE,
            metavar="FILE",
            help="Draw a plot: PNG, SVG or PDF.",
        ),
        report_option("the report"),
        json_option("the report as JSON"),
    ):
        function = option(function)
    return function


def keeper(path: Path | None) -> Callable[[dict[str, Any]], None]:
    """Writes the unfinished report as it grows, so that an interrupted run leaves what it had."""
    if path is None:
        return lambda report: None

    def keep(report: dict[str, Any]) -> None:
        # to a neighbouring file first: the run may be interrupted at this moment
        beside = path.with_name(path.name + ".new")
        write_text(beside, json.dumps(report | {"whole": False}, indent=1) + "\n")
        os.replace(beside, path)

    return keep


def need_plot(path: Path | None) -> None:
    """Fails before the measurement rather than after it if matplotlib is missing."""
    if path is not None:
        import dfd.benchmarks.report.plot  # noqa: F401


def tell(line: str) -> None:
    """Prints a line of progress."""
    click.echo(line, err=True)


def write_report(
    report: dict[str, Any], as_json: bool, report_path: Path | None, plot_path: Path | None
) -> None:
    """Prints the report, and writes it to the files that were asked for."""
    from dfd.benchmarks.report.view import show
    from dfd.clients.display.tables import result_console

    content = json.dumps(report, indent=1)
    if as_json:
        click.echo(content)
    else:
        show(report, result_console())
    if report_path is not None:
        write_text(report_path, content + "\n")
    if plot_path is not None:
        from dfd.benchmarks.report.plot import draw

        draw(report, plot_path)
