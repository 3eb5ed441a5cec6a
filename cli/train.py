"""``dfd train``: make a detector from a corpus."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click


class UserError(click.ClickException):
    """What the user can mend: one line, exit status 2."""

    exit_code = 2


@click.command(name="train", help="Train a detector on a corpus and write a model folder.")
@click.option("--recipe", default="bundled", show_default=True, help="Which recipe to run.")
@click.option(
    "--corpus",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with manifest.tsv and the audio it names.",
)
@click.option(
    "--out",
    default=Path("runs/bundled"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where checkpoints, the log and model/ go.",
)
@click.option(
    "--cache",
    default=None,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where decoded and rendered audio is kept (default: OUT/cache).",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--threads", default=0, help="CPU threads; 0 leaves it to torch.")
@click.option("--seed", default=0, show_default=True)
@click.option("--steps", default=None, type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--resume", is_flag=True, help="Continue from the checkpoint in OUT.")
def command(
    recipe: str,
    corpus: Path,
    out: Path,
    cache: Path | None,
    device: str,
    threads: int,
    seed: int,
    steps: int | None,
    resume: bool,
) -> None:
    """Runs a recipe with progress bars."""
    import dataclasses

    import torch
    from rich.progress import Progress as Bars
    from rich.progress import TextColumn

    from dfd.evaluation.corpus import CorpusError
    from dfd.training.loop import Progress
    from dfd.training.pipeline import train
    from dfd.training.recipe import RECIPES

    if recipe not in RECIPES:
        raise UserError(f"no recipe {recipe!r}; there is: {', '.join(sorted(RECIPES))}")
    chosen = RECIPES[recipe]
    if steps is not None:
        chosen = dataclasses.replace(chosen, fit=dataclasses.replace(chosen.fit, steps=steps))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        target = torch.device(device)
        torch.zeros(1, device=target)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"no device {device!r}: {str(error).splitlines()[0]}") from error
    if threads:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)

    columns = (*Bars.get_default_columns(), TextColumn("{task.fields[note]}"))
    with Bars(*columns) as bars:
        fitting = bars.add_task("training", total=chosen.fit.steps, note="")

        @contextmanager
        def bar(title: str, total: int) -> Iterator[Callable[[], None]]:
            task = bars.add_task(title, total=total, note="")
            yield lambda: bars.advance(task)
            bars.update(task, completed=total)

        def report(progress: Progress) -> None:
            bars.update(fitting, completed=progress.step, note=f"loss {progress.loss:.3f}")
            if progress.dev is not None:
                figures = "  ".join(f"{name} {value:.4f}" for name, value in progress.dev.items())
                bars.console.print(f"step {progress.step}: {figures}", highlight=False)

        try:
            train(
                chosen,
                corpus,
                out,
                cache_folder=cache or out / "cache",
                seed=seed,
                device=target,
                bar=bar,
                report=report,
                resume=resume,
            )
        except CorpusError as error:
            raise UserError(str(error)) from error
    click.echo(f"{out / 'model'}")
