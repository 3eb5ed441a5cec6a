"""`dfd bench`: measures the model, the daemon and the core on this machine."""

from pathlib import Path
from typing import Any

import click

from dfd.cli._errors import Verb
from dfd.errors import UserError

_PATH = click.Path(path_type=Path)
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group("bench", context_settings=_SETTINGS)
def command() -> None:
    """Measure the model, the daemon or the streaming core on this machine.

    Measurements of one run are taken in turns, several of each; the median is told with the
    lowest and the highest.
    """


def _outputs(function: Any) -> Any:
    """The options that every benchmark has."""
    for option in (
        click.option("--quick", is_flag=True, help="A short run that only shows that it works."),
        click.option(
            "--plot", "plot_path", type=_PATH, metavar="FILE", help="Draw it: PNG, SVG or PDF."
        ),
        click.option(
            "--json",
            "json_path",
            metavar="FILE",
            is_flag=False,
            flag_value="-",
            help="Write the report as JSON; without FILE, or with -, to standard output.",
        ),
    ):
        function = option(function)
    return function


class Numbers(click.ParamType[tuple[int, ...]]):
    """Numbers with commas between them."""

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


@command.command("model", cls=Verb, context_settings=_SETTINGS)
@click.argument("recordings", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--model",
    default="bundled",
    show_default=True,
    help="As dfd serve takes it; or wav2vec2-base, wav2vec2-base-layer-norm or wav2vec2-xls-r-300m,"
    " with random weights.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    help="Several times for several.  [default: fp32 and whatever gains here]",
)
@click.option(
    "--engine",
    "engines",
    multiple=True,
    default=("torchscript",),
    show_default=True,
    help="Of dfd; the peers are measured besides.",
)
@click.option(
    "--peer",
    "peers",
    multiple=True,
    type=click.Choice(["all", "none", "transformers", "onnxruntime", "openvino", "torch.compile"]),
    default=("all",),
    show_default=True,
    help="What to compare with.",
)
@click.option(
    "--batch",
    "batches",
    type=Numbers(),
    default=(),
    help="Batch sizes.  [default: those that the daemon prepares for the model]",
)
@click.option("--threads", type=click.IntRange(1), help="On the CPU.  [default: torch's choice]")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option(
    "--cpu-time",
    is_flag=True,
    help="Count CPU time: for a machine with other work, with --threads 1.",
)
@_outputs
def model(
    recordings: tuple[Path, ...],
    peers: tuple[str, ...],
    quick: bool,
    json_path: str | None,
    plot_path: Path | None,
    **values: Any,
) -> None:
    """Windows a second by batch size, beside other ways to run the same model.

    With RECORDINGS, the precisions are compared with fp32 on them.
    """
    from dfd.benchmarks.model.compare import ModelOptions, run
    from dfd.benchmarks.model.peers import COMPILE, PEERS

    chosen = PEERS if "all" in peers else tuple(name for name in peers if name != "none")
    if quick:
        values |= {"most_batches": 2, "rounds": 1}
        if "all" in peers:  # which compiles for a minute
            chosen = tuple(name for name in chosen if name != COMPILE)
    options = ModelOptions(
        peers=chosen, recordings=recordings, least_seconds=0.0 if quick else 0.2, **values
    )
    _need_plot(plot_path)
    report = run(options, _tell)
    _write(report, json_path, plot_path)


@command.command("serve", cls=Verb, context_settings=_SETTINGS)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--model", default="bundled", show_default=True, help="As dfd serve takes it.")
@click.option("--device", help="As dfd serve takes it, as are the following.")
@click.option("--precision")
@click.option("--engine")
@click.option("--threads", type=click.IntRange(1))
@click.option("--workers", type=click.IntRange(1))
@click.option(
    "--budget-ms",
    type=click.FloatRange(0, min_open=True),
    default=500.0,
    show_default=True,
    help="p99 from a window's end to its result.",
)
@click.option("--start", type=click.IntRange(1), default=25, show_default=True, help="Streams.")
@click.option("--limit", type=click.IntRange(1), default=2000, show_default=True, help="Streams.")
@click.option(
    "--seconds",
    type=click.FloatRange(5.0),
    default=20.0,
    show_default=True,
    help="Length of each stream; the recordings are begun again when they are over.",
)
@click.option(
    "--chunk-seconds",
    type=click.FloatRange(0.01, 1.0),
    default=0.1,
    show_default=True,
    help="Audio in each message.",
)
@_outputs
def serve(
    files: tuple[Path, ...],
    budget_ms: float,
    start: int,
    limit: int,
    seconds: float,
    chunk_seconds: float,
    quick: bool,
    json_path: str | None,
    plot_path: Path | None,
    **serve_options: Any,
) -> None:
    """Streams that a daemon holds: more and more at speed 1 until the budget breaks.

    The daemon and the load generator are processes of their own, on this machine; streams
    begin spread over some seconds. The budget is broken when p99 exceeds it, or when any
    window is shed or fails. FILES are what is streamed, made-up voices where there are none.
    """
    from dfd.benchmarks.serve.capacity import ServeBenchOptions, run

    arguments = tuple(
        f"--{name}={value}" for name, value in serve_options.items() if value is not None
    )
    if quick:
        start, limit, seconds = min(start, 2), min(limit, 4), min(seconds, 6.0)
    options = ServeBenchOptions(
        serve=arguments,
        files=files,
        budget_ms=budget_ms,
        start=start,
        limit=limit,
        seconds=seconds,
        chunk_seconds=chunk_seconds,
    )
    _need_plot(plot_path)
    _write(run(options, _tell), json_path, plot_path)


@command.command("core", cls=Verb, context_settings=_SETTINGS)
@click.option("--seconds", type=click.FloatRange(5.0), default=30.0, show_default=True)
@click.option("--chunk-ms", type=click.FloatRange(1.0), default=100.0, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@_outputs
def core(
    seconds: float,
    chunk_ms: float,
    rounds: int,
    quick: bool,
    json_path: str | None,
    plot_path: Path | None,
) -> None:
    """Streams that one core feeds through the streaming core, with nothing around it."""
    from dfd.benchmarks.core import CoreOptions, run

    if quick:
        seconds, rounds = min(seconds, 8.0), 1
    _need_plot(plot_path)
    report = run(CoreOptions(seconds=seconds, chunk_ms=chunk_ms, rounds=rounds))
    _write(report, json_path, plot_path)


def _need_plot(path: Path | None) -> None:
    """Fails before the measurement, and not after, where matplotlib is missing."""
    if path is not None:
        import dfd.benchmarks.report.plot  # noqa: F401


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _write(report: dict[str, Any], json_path: str | None, plot_path: Path | None) -> None:
    import json

    from rich.console import Console

    from dfd.benchmarks.report.view import show

    content = json.dumps(report, indent=1)
    if json_path == "-":
        click.echo(content)
    else:
        console = Console()
        if not console.is_terminal:
            console.width = max(console.width, 120)
        show(report, console)
        if json_path is not None:
            try:
                Path(json_path).write_text(content + "\n")
            except OSError as error:
                raise UserError(f"cannot write {json_path}: {error.strerror}") from None
    if plot_path is not None:
        from dfd.benchmarks.report.plot import draw

        draw(report, plot_path)
