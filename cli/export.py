"""`dfd export`: writes a model for other servers."""

from pathlib import Path
from typing import Any

import click

from dfd.cli._errors import PlainVerb
from dfd.cli._model import model_overrides, override_options
from dfd.cli._outputs import json_option, require_folder, write_text
from dfd.cli._waiting import Waits

# format -> form of the file; the first is the one that also runs on GPUs in half precision
_FORMATS = {"triton": "torchscript", "torchscript": "torchscript", "onnx": "onnx"}
_NEEDED_BYTES = 64 << 20


@click.command(
    "export",
    cls=PlainVerb,
    examples=(
        "dfd export bundled --out repository",
        "dfd export --format onnx --file-only --out exported better.pt",
    ),
    read_on="docs/scaling.md",
)
@click.argument("model", metavar="MODEL")
@click.option(
    "--format",
    "form",
    type=click.Choice(tuple(_FORMATS)),
    default="triton",
    show_default=True,
    help="torchscript: for Triton's PyTorch backend; onnx: for its ONNX Runtime backend; triton:"
    " the same as torchscript.",
)
@click.option(
    "--file-only",
    is_flag=True,
    help="Write no repository, but the file and its facts (dfd.json), for another server.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Where to write: the model repository, or the folder of the file.",
)
@click.option(
    "--precision",
    type=click.Choice(("fp32", "bf16", "fp16")),
    default="fp32",
    show_default=True,
    help="Number format of the network; half precision is for GPUs.",
)
@click.option(
    "--max-batch-size",
    type=click.IntRange(1, 1024),
    default=64,
    show_default=True,
    help="Most windows in one pass of the server.",
)
@click.option(
    "--queue-delay-seconds",
    type=click.FloatRange(0, 1),
    default=0.002,
    show_default=True,
    help="How long Triton lets a batch wait for those of other daemons.",
)
@override_options
@json_option("the model's name and file as JSON")
def command(
    model: str,
    form: str,
    file_only: bool,
    out: Path,
    precision: str,
    max_batch_size: int,
    queue_delay_seconds: float,
    as_json: bool,
    **others: Any,
) -> None:
    """Write a model for NVIDIA Triton, or as TorchScript or ONNX.

    MODEL is bundled, a checkpoint file, a folder, a hub id or a fetched model. What is written is a
    model repository with dynamic batching configured, and the facts with which dfd serve --engine
    triton://HOST:PORT/NAME cuts windows and weighs scores.
    """
    import json

    from dfd.detector.export import networks, repository
    from dfd.detector.export.facts import FILE_NAME
    from dfd.detector.files.read import read_checkpoint

    kind, is_repository = _FORMATS[form], not file_only
    require_folder(out, _NEEDED_BYTES)
    with Waits("export").bar(f"writing {model}"):
        checkpoint = read_checkpoint(model, model_overrides(others))
        networks.check(checkpoint, kind, precision)
        networks.convert(checkpoint, precision)
        facts = networks.facts(checkpoint, kind, precision, max_batch_size)
        folder = out / repository.name_of(facts) / "1" if is_repository else out
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / repository.BACKENDS[kind][1]
        networks.write(checkpoint, kind, path)
        if is_repository:
            config = repository.config(facts, kind, queue_delay_seconds)
            write_text(folder.parent / repository.CONFIG, config)
        else:
            write_text(folder / FILE_NAME, facts.to_json() + "\n")
    name = repository.name_of(facts)
    if as_json:
        click.echo(json.dumps({"model": name, "file": str(path)}))
        return
    click.echo(str(path))
    if is_repository:
        click.echo(
            f"tritonserver --model-repository {out}; then dfd serve --engine "
            f"triton://HOST:8001/{name}",
            err=True,
        )
