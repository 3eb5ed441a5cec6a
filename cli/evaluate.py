"""`dfd evaluate`: measures a detector on labelled recordings."""

from __future__ import annotations

import json
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfd.cli._errors import PlainVerb
from dfd.cli._model import (
    fuse_option,
    load_judge,
    model_options,
    model_overrides,
    precision_option,
)
from dfd.cli._outputs import OutputFile, json_option, report_option, write_text
from dfd.cli._trials import PROTOCOLS, refuse_contradictions, trials_of
from dfd.cli._waiting import Waits
from dfd.errors import UserError

if TYPE_CHECKING:
    from dfd.detector.spec import LoadedModel
    from dfd.evaluation.evaluate import RunOptions
    from dfd.evaluation.trials import TrialSet

# there are figures, but not for every trial
INCOMPLETE = 3
_NAMED = 5

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    "evaluate",
    cls=PlainVerb,
    examples=(
        "dfd evaluate --manifest trials.tsv --audio-root audio",
        "dfd evaluate --manifest trials.tsv --audio-root audio --conditions ulaw,loss",
    ),
    read_on="docs/evaluation.md; the names of --conditions are listed there",
)
@click.option(
    "--manifest",
    type=_FILE,
    help="The trials: tab-separated, with the columns file and label (bonafide or spoof).",
)
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="The trials of a public data set.")
@click.option("--audio-root", type=_FOLDER, help="Folder that holds the audio.")
@click.option("--split", help="Use only rows of the manifest with this value in the split column.")
@click.option("--subset", help="Subset of the protocol.  [default: the official one]")
@click.option(
    "--keys", type=_FILE, help="The protocol's trial list, if it is not below --audio-root."
)
@json_option("the figures as JSON")
@report_option("the figures")
@click.option(
    "--html",
    "html_path",
    type=OutputFile(".html", ".htm"),
    metavar="FILE",
    help="Write a report with plots to a file.",
)
@model_options
@fuse_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@precision_option("fp32")
@click.option(
    "--seconds",
    type=click.FloatRange(0.5),
    metavar="SECONDS",
    help="Use only this much of the start of each recording.",
)
@click.option(
    "--condition",
    default="clean",
    show_default=True,
    help="Telephone condition to apply to every recording.",
)
@click.option(
    "--conditions",
    metavar="all|NAME,...",
    help="Compare telephone conditions with clean audio in a table: ulaw, gsm, opus-12k, loss, ...",
)
@click.option(
    "--by-seconds/--no-by-seconds",
    default=None,
    help="Report figures by seconds of audio heard.  [default: only with a manifest]",
)
@click.option(
    "--join-unknown-speakers",
    is_flag=True,
    help="Also join recordings with no stated speaker into streams.",
)
@click.option(
    "--long-streams",
    is_flag=True,
    help="Count false alerts per hour on long streams of human speech.",
)
@click.option(
    "--scores-out", type=OutputFile(), metavar="FILE", help="Write a line for each trial to a file."
)
@click.option(
    "--scores-form",
    type=click.Choice(["2019", "2021"]),
    default="2019",
    show_default=True,
    help="Format of these lines: 2019 is utterance, attack, label, score; 2021 is utterance,"
    " score.",
)
@click.option("--scores-in", type=_FILE, help="Read the scores from a file; no model is needed.")
@click.option(
    "--higher-means",
    type=click.Choice(["bonafide", "spoof"]),
    default="bonafide",
    show_default=True,
    help="What a higher score in a score file means.",
)
@click.option(
    "--asv-scores", type=_FILE, help="Scores of a speaker verification system, for min t-DCF."
)
@click.option("--compare", is_flag=True, help="Show published figures beside these.")
@click.option(
    "--bootstrap",
    type=click.IntRange(0),
    default=200,
    show_default=True,
    help="Bootstrap samples for the confidence intervals.",
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads.  [default: torch's choice]")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Threads that decode and apply conditions.",
)
def command(**values: Any) -> None:
    """Measure a detector on labelled recordings.

    The trials come from a manifest, from a public data set unpacked below --audio-root, or from a
    score file in the 2019 format. Exit status 3 means that some recordings have no score, or are
    cut short, damaged or read only in part; they are named.
    """
    try:
        complete = _evaluate(**values)
    except OSError as error:
        raise UserError(str(error)) from error
    if not complete:
        sys.exit(INCOMPLETE)


def _evaluate(**values: Any) -> bool:
    """Runs the evaluation; returns False if some recordings have no score or are incomplete."""
    from dfd.evaluation.evaluate import evaluate_model, evaluate_scores
    from dfd.evaluation.score_files import match, read_scores, write_scores

    refuse_contradictions(values)
    scores_in: Path | None = values["scores_in"]
    higher_means = values["higher_means"]
    lines = None if scores_in is None else read_scores(scores_in, higher_means=higher_means)
    trials = trials_of(lines=lines, **values)
    options = _run_options(trials, **values)
    if values["html_path"] is not None:
        import jinja2  # noqa: F401 - fails before the recordings are scored, not after
    waits = Waits("evaluate")
    if scores_in is not None and lines is not None:
        with waits.bar("working out the figures"):
            llrs, left_over = match(lines, trials.recordings, scores_in)
            figures = evaluate_scores(trials, llrs, options)
        figures["scores"] = {"file": scores_in.name, "lines_of_no_trial": left_over}
    else:
        from dfd.evaluation.scoring.served import as_model

        with waits.bar("loading the model"):
            detector = _detector(**values)
        # also while figures are worked out, between the bars of the evaluation
        with waits.bar("evaluating"):
            figures, llrs = evaluate_model(trials, as_model(detector), options, waits.bar)
        if values["long_streams"]:
            from dfd.evaluation.scoring.long_streams import alerts_of, false_alerts
            from dfd.evaluation.telephone.conditions import condition_named

            condition = condition_named(options.condition)
            humans = sum(one.label == 0 for one in trials.recordings)
            with waits.bar("long streams", humans) as tick:
                figures["long_streams"] = false_alerts(
                    trials.recordings, trials.audio_root, alerts_of(detector), condition, tick
                )
    figures["command"] = shlex.join(["dfd", *sys.argv[1:]])
    if values["scores_out"]:
        write_scores(
            values["scores_out"],
            trials.recordings,
            llrs,
            form=values["scores_form"],
            higher_means=higher_means,
        )
    _write(figures, values["report_path"], values["html_path"])
    _print_figures(figures, as_json=values["as_json"])
    return not figures["unreadable"]["files"] and not figures.get("incomplete", {}).get("count")


def _run_options(
    trials: TrialSet,
    *,
    conditions: str | None,
    by_seconds: bool | None,
    asv_scores: Path | None,
    **values: Any,
) -> RunOptions:
    from dfd.evaluation.evaluate import RunOptions
    from dfd.evaluation.figures.tdcf import read_asv_scores
    from dfd.evaluation.telephone.conditions import STANDARD

    names = STANDARD if conditions == "all" else tuple(filter(None, (conditions or "").split(",")))
    return RunOptions(
        condition=values["condition"],
        conditions=names,
        by_seconds=trials.name == "manifest" if by_seconds is None else by_seconds,
        join_unknown_speakers=values["join_unknown_speakers"],
        most_seconds=values["seconds"],
        threshold=values["alert_threshold"],
        bootstrap_repeats=values["bootstrap"],
        asv=None if asv_scores is None else read_asv_scores(asv_scores),
        compare=values["compare"],
        jobs=values["jobs"],
    )


def _detector(
    *,
    model: str,
    fuse: str | None,
    device: str,
    precision: str,
    threads: int | None,
    **values: Any,
) -> LoadedModel:
    from dfd.detector import load_detector

    load = partial(
        load_detector,
        device=device,
        precision=precision,
        threads=threads,
        warm=False,
        overrides=model_overrides(values),
    )
    return load_judge(model, fuse, load)


def _write(figures: dict[str, Any], report_path: Path | None, html_path: Path | None) -> None:
    if report_path is not None:
        write_text(report_path, json.dumps(figures, indent=1) + "\n")
    if html_path is not None:
        from dfd.evaluation.pages.report import report

        write_text(html_path, report(figures))


def _print_figures(figures: dict[str, Any], *, as_json: bool) -> None:
    """Prints the figures in brief, and the recordings that have none."""
    from dfd.clients.display.tables import result_console
    from dfd.evaluation.pages.text import lines_of

    unreadable = figures["unreadable"]
    for file in unreadable["files"][:_NAMED]:
        click.echo(f"dfd evaluate: no score: {unreadable['reasons'][file]}", err=True)
    if unreadable["count"] > _NAMED:
        where = "; --json and --report name all of them"
        click.echo(f"dfd evaluate: and {unreadable['count'] - _NAMED} more{where}", err=True)
    incomplete = figures.get("incomplete", {}).get("files", {})
    for file, words in list(incomplete.items())[:_NAMED]:
        click.echo(f"dfd evaluate: incomplete: {file}: {words}", err=True)
    if len(incomplete) > _NAMED:
        click.echo(f"dfd evaluate: and {len(incomplete) - _NAMED} more of these", err=True)
    if as_json:
        click.echo(json.dumps(figures, indent=1))
        return
    console = result_console()
    for line in lines_of(figures):
        # broken between words on a terminal, and never in a pipe
        console.print(line, highlight=False, markup=False, soft_wrap=not console.is_terminal)
