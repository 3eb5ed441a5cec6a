"""`dfd replay`: streams recordings to a daemon as if they were live."""

from pathlib import Path
from typing import Any

import click

from dfd.cli._connection import connection, server_options
from dfd.cli._errors import Verb
from dfd.cli._judging import judging_options, stream_options
from dfd.cli._outputs import PICTURE, EventsFile, json_option, report_option, write_text
from dfd.cli._waiting import Waits
from dfd.errors import UserError


class Speed(click.ParamType[float | None]):
    """A factor above 0, or "max" (None)."""

    name = "factor"

    def convert(self, value: Any, param: Any, ctx: Any) -> float | None:
        """Reads the word."""
        if value is None or value == "max":
            return None
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value} is not a speed: use 1, another factor above 0, or max", param, ctx)
        return speed


@click.command(
    "replay",
    cls=Verb,
    examples=(
        "dfd replay call.wav",
        "dfd replay --speed max --plot call.png --events events.jsonl call.wav",
    ),
    read_on="docs/performance.md for load; docs/protocol.md for the events",
    epilog="Exit status: 0; 1 with --fail-on-alert if there was an alert; 2 on a mistake, or if a"
    " stream failed or a file cannot be read; 3 if a recording is cut short, damaged or read in"
    " part. Reads every format that FFmpeg's libraries know; - reads standard input.",
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@server_options
@click.option(
    "--speed",
    type=Speed(),
    default="1",
    show_default=True,
    metavar="FACTOR|max",
    help="1 is real time; max is as fast as the server accepts audio.",
)
@click.option(
    "--streams",
    type=click.IntRange(1, 10000),
    default=1,
    show_default=True,
    help="Streams at once; files are reused until there are this many.",
)
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many times each file is replayed.",
)
@click.option(
    "--chunk-seconds",
    type=click.FloatRange(0.001, 10),
    default=0.1,
    show_default=True,
    metavar="SECONDS",
    help="Length of audio in each message.",
)
@click.option(
    "--ramp-seconds",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Spread the starts of the streams over this time; not with --speed max.",
)
@judging_options
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="KEY=VALUE",
    help="A label for the server's log. May be repeated.",
)
@json_option("every event as a line of JSON, and the report as the last line,")
@report_option("the report")
@click.option(
    "--events",
    type=EventsFile(),
    metavar="FILE",
    help="Write every event to a file, as a line of JSON.",
)
@click.option(
    "--plot",
    "plot_path",
    type=PICTURE,
    metavar="FILE",
    help="Draw audio, speech, scores, thresholds and alerts: PNG, SVG or PDF.",
)
@click.option("--summary", is_flag=True, help="Show only the tables at the end.")
@click.option("--fail-on-alert", is_flag=True, help="Exit with status 1 if there was an alert.")
def command(
    files: tuple[Path, ...],
    speed: float | None,
    streams: int,
    repeat: int,
    chunk_seconds: float,
    ramp_seconds: float,
    labels: tuple[str, ...],
    as_json: bool,
    report_path: Path | None,
    events: str | None,
    plot_path: Path | None,
    summary: bool,
    fail_on_alert: bool,
    **others: Any,
) -> None:
    """Stream FILES to a daemon as live audio; show scores, alerts and latency.

    Each audio track of each file is a stream of its own. Scores are the same at any speed.
    """
    import asyncio
    import contextlib
    import json
    import sys
    import time

    from rich.console import Console

    from dfd.clients.alerts.sinks import JsonLinesSink, Sinks
    from dfd.clients.client import AsyncDetectionClient
    from dfd.clients.display.replay import ReplayView, print_report
    from dfd.clients.display.tables import result_width
    from dfd.clients.events import Summary
    from dfd.clients.options import RetryPolicy
    from dfd.clients.runs.replay import ReplayOptions, plan, run
    from dfd.clients.runs.report import make_report
    from dfd.clients.runs.warming import when_warm
    from dfd.clients.sources.recording import Recording, open_recordings

    if plot_path is not None:
        # imported before the replay, so that a missing extra is noticed now
        from dfd.clients.display.plot import draw

    options = ReplayOptions(
        speed=speed,
        streams=streams,
        repeat=repeat,
        chunk_seconds=chunk_seconds,
        ramp_seconds=0.0 if speed is None else ramp_seconds,
        stream=stream_options(others, _labels(labels), activity_events=plot_path is not None),
    )
    where = connection(**others)
    recordings: list[Recording] = []
    mistakes: list[UserError] = []
    for path in files:
        try:
            recordings += open_recordings(path)
        except UserError as error:
            mistakes.append(error)
    if mistakes and not recordings:
        raise mistakes[0]
    if plot_path is not None and not all(recording.again for recording in recordings):
        raise UserError("a pipe can be read only once: leave out --plot, or name a file")
    if as_json and events == "-":
        raise UserError("--json writes the events to standard output: name a file for --events")
    replays = plan(recordings, options)
    for mistake in mistakes:
        click.echo(f"dfd replay: {mistake}", err=True)
    lines = JsonLinesSink("-") if as_json else None
    every = [] if lines is None else [lines]
    if events is not None:
        every.append(JsonLinesSink(events))
    sinks = Sinks(every)
    console = Console(stderr=as_json or events == "-")
    console.width = result_width(console)

    async def work() -> None:
        retry = RetryPolicy(connect_seconds=5.0)
        async with AsyncDetectionClient(where, retry=retry) as client:
            # if there is no server, one line instead of one for each file
            with waits.bar(f"waiting for {where.server} and its model"):
                await when_warm(client, options.stream.model)
            with (
                ReplayView(console, replays, quiet=summary) as view,
                contextlib.ExitStack() as left,
            ):
                over = (
                    left.enter_context(waits.bar("replaying", len(replays)))
                    if view.silent
                    else None
                )

                def on_event(replay: Any, event: Any) -> None:
                    sinks.emit(replay.stream_id, event, file=replay.name)
                    view.event(replay, event)
                    if over is not None and isinstance(event, Summary):
                        over(1, replay.name)

                await run(client, replays, options, on_event)

    waits, began = Waits("replay"), time.monotonic()
    with sinks:
        try:
            asyncio.run(work())
        except KeyboardInterrupt:
            raise UserError("interrupted before the end") from None
        report = make_report(replays, options, where.server, time.monotonic() - began)
        if lines is not None:
            lines.write(json.dumps({"report": report}, ensure_ascii=False))
    print_report(console, report)
    if report_path is not None:
        write_text(report_path, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    if plot_path is not None:
        draw(replays, plot_path)
    failed = [replay for replay in replays if replay.error is not None]
    if failed:
        raise UserError(f"{len(failed)} of {len(replays)} streams failed: {failed[0].error}")
    if mistakes:
        sys.exit(2)
    if fail_on_alert and report["alerts"]:
        sys.exit(1)
    if any(replay.incomplete for replay in replays):
        sys.exit(3)


def _labels(words: tuple[str, ...]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    wrong = [key for key, equals, _ in pairs if not equals or not key]
    if wrong:
        raise UserError(f"{wrong[0]!r} is not a label: write KEY=VALUE")
    return {key: value for key, _, value in pairs}
