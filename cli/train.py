"""`dfd train`: trains a detector on a corpus."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfd import processors
from dfd.cli._errors import PlainVerb
from dfd.cli._outputs import require_folder
from dfd.cli._waiting import Tick, Waits
from dfd.errors import UserError

if TYPE_CHECKING:
    import torch

BUNDLED = "bundled"
REFERENCE = ("two-stage", "top4-mlp", "xlsr-half", "frozen-logreg", "contrastive")
# decoded audio, what codecs make of it, and checkpoints take at least this much
_ROOM_BYTES = 1 << 30
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    "train",
    cls=PlainVerb,
    help="Train a detector on a corpus and write a model folder.",
    examples=(
        "dfd train --corpus corpus --out runs/mine",
        "dfd train --recipe frozen-logreg --corpus corpus --backbone bundled",
    ),
    read_on="docs/reference-systems.md; how the bundled model was made: docs/detector-log.md",
)
@click.option(
    "--recipe",
    default=BUNDLED,
    show_default=True,
    help=f"Recipe to run: {BUNDLED}, or that of a reference system: {', '.join(REFERENCE)}.",
)
@click.option("--corpus", type=_FOLDER, help="Folder with manifest.tsv and the audio it names.")
@click.option("--protocol", help="A public data set (asvspoof2019-la), instead of --corpus.")
@click.option("--data", type=_FOLDER, help="Folder of the public data set.")
@click.option(
    "--out",
    default=None,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for checkpoints, the log and model/.  [default: runs/RECIPE]",
)
@click.option(
    "--cache",
    default=None,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for decoded audio and features.  [default: OUT/cache]",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--threads", default=0, help="CPU threads.  [default: torch's choice]")
@click.option("--seed", default=0, show_default=True, help="Random seed.")
@click.option("--resume", is_flag=True, help="Continue from the checkpoint in OUT.")
@click.option(
    "--steps",
    default=None,
    type=click.IntRange(1),
    metavar="N",
    help="(bundled) Most training steps of each network.",
)
@click.option(
    "--encoder",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="(bundled) Whisper tiny's encoder, in ONNX or as model.safetensors of a detector that has"
    " it.  [default: the bundled detector's]",
)
@click.option(
    "--backbone",
    metavar="FOLDER|HUB-ID",
    help="(reference) Pretrained Wav2Vec2, or bundled.  [default: the authors', from the hub]",
)
@click.option(
    "--options",
    "options_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="(reference) File with the recipe's options, in TOML or JSON.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="(reference) One option of the recipe, such as stages.top.epochs=3. May be repeated.",
)
@click.option(
    "--workers",
    default=None,
    type=click.IntRange(1),
    help="(reference) Threads that decode audio.  [default: one for each core]",
)
@click.option(
    "--tensorboard/--no-tensorboard", default=True, help="Write curves for TensorBoard to OUT."
)
@click.option("--wandb", metavar="PROJECT", help="Also send curves to a Weights & Biases project.")
@click.option(
    "--checkpoint", is_flag=True, help="(two-stage) Also write stage2_best.pt next to model/."
)
def command(
    recipe: str,
    corpus: Path | None,
    protocol: str | None,
    data: Path | None,
    out: Path | None,
    device: str,
    threads: int,
    **more: Any,
) -> None:
    """Runs a recipe and shows progress bars."""
    if recipe != BUNDLED and recipe not in REFERENCE:
        raise UserError(f"no recipe {recipe!r}; choose from: {', '.join((BUNDLED, *REFERENCE))}")
    _check_data(recipe, corpus, protocol, data)
    out = out or Path("runs") / recipe
    for folder in (out, more["cache"] or out):
        require_folder(folder, _ROOM_BYTES)
    waits = Waits("train")
    with waits.bar("loading torch"):
        import torch
    from dfd.detector.devices import resolve_device

    target = resolve_device(device)
    if threads:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        # also between the bars of a recipe
        with waits.bar("training"):
            if recipe == BUNDLED:
                assert corpus is not None
                _train_bundled(waits, corpus, out, target, more)
                summary = ""
            else:
                summary = _train_reference(waits, recipe, corpus, protocol, data, out, target, more)
    finally:
        # The setting is global to the process, which may go on to do something else.
        torch.set_flush_denormal(False)
    if summary:
        click.echo(summary)
    click.echo(f"{out / 'model'}")


def _check_data(recipe: str, corpus: Path | None, protocol: str | None, data: Path | None) -> None:
    if (corpus is None) == (protocol is None):
        raise UserError("name the data: --corpus FOLDER, or --protocol asvspoof2019-la --data ROOT")
    if (protocol is None) != (data is None):
        raise UserError(
            "--protocol and --data go together: the data set, and the folder that contains it"
        )
    if corpus is not None and not (corpus / "manifest.tsv").is_file():
        raise UserError(f"{corpus} has no manifest.tsv, which names its recordings and labels")
    if recipe == BUNDLED and corpus is None:
        raise UserError(f"the recipe {BUNDLED} needs --corpus, a folder with a manifest")


def _train_bundled(
    waits: Waits, corpus: Path, out: Path, target: "torch.device", more: dict[str, Any]
) -> None:
    import dataclasses

    from dfd.training.bundled.loop import Progress
    from dfd.training.bundled.pipeline import train
    from dfd.training.bundled.recipe import RECIPES
    from dfd.training.run.tracking import open_tracker

    chosen = RECIPES[BUNDLED]
    if more["steps"] is not None:
        chosen = chosen.shortened(more["steps"])
    fitting: dict[str, Tick] = {}
    done: dict[str, int] = {}
    steps = {part.name: part.fit.steps for part in chosen.parts}

    def report(progress: Progress) -> None:
        part = progress.part
        if part not in fitting:
            fitting[part] = bars.enter_context(waits.bar(f"training {part}", steps[part]))
        fitting[part](progress.step - done.get(part, 0), f"loss {progress.loss:.3f}")
        done[part] = progress.step
        if progress.dev is not None:
            figures = "  ".join(f"{name} {value:.4f}" for name, value in progress.dev.items())
            waits.say(f"{part}, step {progress.step}: {figures}")
            curves = {"loss": progress.loss, **progress.dev}
            points = {f"{part}/{name}": value for name, value in curves.items()}
            tracker.add(points, progress.step)

    wanted = {"tensorboard": more["tensorboard"], "wandb_project": more["wandb"]}
    options = dataclasses.asdict(chosen)
    with (
        contextlib.ExitStack() as bars,
        open_tracker(out, name=BUNDLED, options=options, **wanted) as tracker,
    ):
        train(
            chosen,
            corpus,
            out,
            cache_folder=more["cache"] or out / "cache",
            seed=more["seed"],
            device=target,
            bar=waits.bar,
            report=report,
            resume=more["resume"],
            encoder=more["encoder"],
        )


def _train_reference(
    waits: Waits,
    recipe: str,
    corpus: Path | None,
    protocol: str | None,
    data: Path | None,
    out: Path,
    target: "torch.device",
    more: dict[str, Any],
) -> str:

    from dfd.training.material.splits import corpus_splits, protocol_splits
    from dfd.training.reference import Tracking, train_reference
    from dfd.training.run.options import RunOptions
    from dfd.training.run.overrides import read_changes
    from dfd.training.run.progress import Talk

    talk = Talk(waits.bar, waits.say)
    changes = read_changes(more["options_file"], more["settings"])
    if corpus is not None:
        splits = corpus_splits(corpus)
    else:
        assert protocol is not None
        assert data is not None
        splits = protocol_splits(protocol, data)
    options = RunOptions(
        out=out,
        cache=more["cache"] or out / "cache",
        device=target,
        seed=more["seed"],
        workers=more["workers"] or processors.usable(),
        resume=more["resume"],
        checkpoint=more["checkpoint"],
    )
    tracking = Tracking(more["tensorboard"], more["wandb"])
    return train_reference(recipe, splits, more["backbone"], changes, options, tracking, talk)
