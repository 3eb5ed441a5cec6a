"""`dfd bench`: measures the model, the daemon and the core on this machine."""

from pathlib import Path
from typing import Any

import click

from dfd.cli._benching import Numbers, keeper, need_plot, output_options, tell, write_report
from dfd.cli._errors import Verb
from dfd.cli._groups import VerbGroup
from dfd.cli._outputs import json_option

_READ_ON = "docs/performance.md"


_ROUNDS = click.option(
    "--rounds",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="How many times each is measured.",
)


@click.group("bench", cls=VerbGroup)
def command() -> None:
    """Measure the model, the daemon or the streaming core on this machine.

    Each measurement is taken several times, in turns with the others; the median is shown with the
    lowest and the highest value.
    """


@command.command(
    "model",
    cls=Verb,
    examples=(
        "dfd bench model",
        "dfd bench model --quick --batch 1,4 --report model.json",
    ),
    read_on=_READ_ON,
)
@click.argument("recordings", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--model",
    default="bundled",
    show_default=True,
    help="As for dfd serve; or, with random weights, wav2vec2-base, wav2vec2-base-layer-norm,"
    " wav2vec2-xls-r-300m, hubert-base, wavlm-base, unispeech-sat-base, data2vec-audio-base,"
    " wav2vec2-conformer-base, wav2vec2-bert-4-layers, aasist, aasist-l, rawnet2, rawgat-st, or on"
    " XLS-R 300M ssl-aasist, sls, nes2net-x, antideepfake.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    help="Precision to measure; auto: what dfd serve would take. May be repeated.  [default: fp32,"
    " and any that is faster here]",
)
@click.option(
    "--engine",
    "engines",
    multiple=True,
    default=("torchscript",),
    show_default=True,
    help="Engine of dfd to measure; auto: the fastest installed one, as dfd serve finds it. May be"
    " repeated. Peers are measured as well.",
)
@click.option(
    "--peer",
    "peers",
    multiple=True,
    type=click.Choice(
        ["all", "none", "transformers", "eager", "onnxruntime", "openvino", "torch.compile"]
    ),
    help="Other software to compare with. May be repeated; torch.compile takes minutes."
    "  [default: all but torch.compile]",
)
@click.option(
    "--batch",
    "batches",
    type=Numbers(),
    default=(),
    metavar="N,N,...",
    help="Batch sizes.  [default: those that the daemon prepares for the model]",
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads.  [default: torch's choice]")
@_ROUNDS
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=150.0,
    show_default=True,
    help="Time budget: nothing more is loaded after half of it, and no measurement begins after"
    " it.",
)
@click.option(
    "--cpu-time",
    is_flag=True,
    help="Count CPU time instead of wall time; for a busy machine, with --threads 1.",
)
@output_options
def model(
    recordings: tuple[Path, ...],
    peers: tuple[str, ...],
    quick: bool,
    as_json: bool,
    report_path: Path | None,
    plot_path: Path | None,
    **values: Any,
) -> None:
    """Measure windows per second by batch size, next to other ways to run the same model.

    If RECORDINGS are given, each precision's scores of them are compared with those of fp32.
    """
    from dfd.benchmarks.model.compare import run
    from dfd.benchmarks.model.entrants import ModelOptions
    from dfd.benchmarks.model.peers import PEERS, QUICK_PEERS

    chosen = tuple(name for name in peers or QUICK_PEERS if name != "none")
    if "all" in peers:
        chosen = PEERS
    if quick:
        values |= {"most_batches": 2, "rounds": 1}
    options = ModelOptions(
        peers=chosen, recordings=recordings, least_seconds=0.0 if quick else 0.2, **values
    )
    need_plot(plot_path)
    report = run(options, tell, keeper(report_path))
    write_report(report, as_json, report_path, plot_path)


@command.command(
    "serve",
    cls=Verb,
    examples=(
        "dfd bench serve",
        "dfd bench serve --quick --model noop --report serve.json",
    ),
    read_on=_READ_ON,
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--model", default="bundled", show_default=True, help="As for dfd serve.")
@click.option("--device", help="As for dfd serve.")
@click.option("--precision", help="As for dfd serve.")
@click.option("--engine", help="As for dfd serve.")
@click.option("--threads", type=click.IntRange(1), help="As for dfd serve.")
@click.option("--workers", type=click.IntRange(1), help="As for dfd serve.")
@click.option("--watermarks", metavar="SCHEMES", help="As for dfd serve.")
@click.option(
    "--budget-seconds",
    type=click.FloatRange(0, min_open=True),
    default=0.5,
    show_default=True,
    metavar="SECONDS",
    help="Highest acceptable p99 of the time from a window's end to its result.",
)
@click.option(
    "--start",
    type=click.IntRange(1),
    default=25,
    show_default=True,
    help="Number of streams to begin with.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="Number of streams to stop at if the budget still holds.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(5.0),
    default=20.0,
    show_default=True,
    help="Length of each stream; recordings are repeated to fill it.",
)
@click.option(
    "--chunk-seconds",
    type=click.FloatRange(0.01, 1.0),
    default=0.1,
    show_default=True,
    help="Length of audio in each message.",
)
@output_options
def serve(
    files: tuple[Path, ...],
    budget_seconds: float,
    start: int,
    limit: int,
    seconds: float,
    chunk_seconds: float,
    quick: bool,
    as_json: bool,
    report_path: Path | None,
    plot_path: Path | None,
    **serve_options: Any,
) -> None:
    """Find how many live streams a daemon holds within a budget of latency.

    The daemon and the load generator run as separate processes on this machine. The number of
    real-time streams grows until p99 exceeds the budget, or a window is shed or fails. FILES are
    streamed or, if there are none, synthetic signals that resemble speech.
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
        budget_ms=1000 * budget_seconds,
        start=start,
        limit=limit,
        seconds=seconds,
        chunk_seconds=chunk_seconds,
    )
    need_plot(plot_path)
    write_report(run(options, tell, keeper(report_path)), as_json, report_path, plot_path)


@command.command(
    "core",
    cls=Verb,
    examples=(
        "dfd bench core",
        "dfd bench core --quick --plot core.png",
    ),
    read_on=_READ_ON,
)
@click.option(
    "--seconds",
    type=click.FloatRange(5.0),
    default=30.0,
    show_default=True,
    help="Length of each stream.",
)
@click.option(
    "--chunk-seconds",
    type=click.FloatRange(0.001),
    default=0.1,
    show_default=True,
    help="Length of each chunk.",
)
@_ROUNDS
@output_options
def core(
    seconds: float,
    chunk_seconds: float,
    rounds: int,
    quick: bool,
    as_json: bool,
    report_path: Path | None,
    plot_path: Path | None,
) -> None:
    """Measure how many streams one CPU core feeds through the streaming core alone."""
    from dfd.benchmarks.core import CoreOptions, run

    if quick:
        seconds, rounds = min(seconds, 8.0), 1
    need_plot(plot_path)
    report = run(CoreOptions(seconds=seconds, chunk_ms=1000 * chunk_seconds, rounds=rounds))
    write_report(report, as_json, report_path, plot_path)


@command.command(
    "compare",
    cls=Verb,
    examples=(
        "dfd bench compare before.json after.json",
        "dfd bench compare --json before.json after.json",
    ),
    read_on=_READ_ON,
)
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@json_option("the ratios as JSON")
def compare(before: Path, after: Path, as_json: bool) -> None:
    """Compare two reports that --report wrote: ratios of the figures in AFTER to those in BEFORE.

    A figure counts as better or worse if the two spreads do not overlap. The reports were made at
    different times: on a busy machine, measure both again in turns.
    """
    from dfd.benchmarks.report.ratios import ratios, read

    report = ratios(read(before), read(after))
    write_report({"benchmark": "compare", **report}, as_json, None, None)
