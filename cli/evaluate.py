"""``dfd evaluate``: what a detector is worth on a manifest of labelled recordings."""

from pathlib import Path

import click

from dfd.cli.train import UserError


@click.command(name="evaluate", help="Measure a detector on a manifest of labelled recordings.")
@click.option(
    "--manifest",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Tab-separated, with the columns file and label (bonafide or spoof).",
)
@click.option(
    "--audio-root",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that the manifest's file names are relative to.",
)
@click.option(
    "--json",
    "json_path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the figures go.",
)
@click.option("--split", default=None, help="Only rows with this value in the column split.")
@click.option("--model", default="bundled", show_default=True, help="A model folder, or bundled.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--seconds", default=None, type=click.FloatRange(0.5), help="Hear only so much.")
@click.option("--condition", default=None, help="Through a codec first: ulaw, alaw, gsm, ...")
@click.option("--bootstrap", default=200, show_default=True, help="Repeats for the EER interval.")
@click.option("--threads", default=0, help="CPU threads; 0 leaves it to torch.")
def command(
    manifest: Path,
    audio_root: Path,
    json_path: Path,
    split: str | None,
    model: str,
    device: str,
    seconds: float | None,
    condition: str | None,
    bootstrap: int,
    threads: int,
) -> None:
    """Scores every recording and writes the figures."""
    import json

    import torch
    from rich.progress import Progress

    from dfd.evaluation.conditions import condition_named
    from dfd.evaluation.corpus import CorpusError
    from dfd.evaluation.judge import judge

    if threads:
        torch.set_num_threads(threads)
    try:
        change = None if condition is None else condition_named(condition)
        with Progress() as bars:
            task = bars.add_task("scoring", total=None)
            figures = judge(
                manifest,
                audio_root,
                split=split,
                model=model,
                device=device,
                seconds=seconds,
                condition=change,
                bootstrap_repeats=bootstrap,
                expect=lambda total: bars.update(task, total=total),
                progress=lambda: bars.advance(task),
            )
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except (CorpusError, OSError) as error:
        raise UserError(str(error)) from error
    pooled, unreadable = figures["pooled"], figures["unreadable"]
    for name in unreadable["files"][:5]:
        click.echo(f"unreadable: {name}", err=True)
    within = figures["within_source_mean_eer"]
    click.echo(
        f"EER {100 * pooled['eer']:.2f} % pooled"
        + ("" if within is None else f", {100 * within:.2f} % mean within sources")
        + f" ({pooled['n_bonafide']} bona fide, {pooled['n_spoof']} spoof,"
        + f" {unreadable['count']} unreadable)"
    )
