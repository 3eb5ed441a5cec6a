"""`dfd info`: what a daemon offers, or what a model is."""

from typing import TYPE_CHECKING, Any

import click

from dfd.cli._connection import connection, server_options
from dfd.cli._errors import Verb
from dfd.cli._model import MODEL_HELP, model_overrides, override_options
from dfd.cli._outputs import json_option
from dfd.cli._waiting import Waits
from dfd.errors import UserError

if TYPE_CHECKING:
    from dfd.detector import ModelOverrides


@click.command(
    "info",
    cls=Verb,
    examples=("dfd info", "dfd info --model bundled"),
    read_on="docs/operations.md; models: docs/reference-systems.md",
)
@click.option("--model", default="", help=f"Describe this model instead: {MODEL_HELP}")
@override_options
@server_options
@json_option("the answer as JSON")
def command(model: str, as_json: bool, **others: Any) -> None:
    """Show what a daemon offers: models, formats, limits, load.

    With --model, describes a model without serving it: the tensors found, window, normalisation,
    the output that means spoof, thresholds.
    """
    import asyncio
    import json

    from dfd.clients.client import AsyncDetectionClient
    from dfd.clients.display.info import info_table
    from dfd.clients.display.tables import result_console
    from dfd.clients.protocol.messages import message_dict

    overrides = model_overrides(others)
    if model:
        return show_model(model, overrides, as_json=as_json, verb="info")
    if overrides != type(overrides)():
        raise UserError(
            "options that override a model's properties need --model: a running server has"
            " loaded its own"
        )
    where = connection(**others)

    async def ask() -> Any:
        async with AsyncDetectionClient(where) as client:
            return await client.server_info()

    with Waits("info").bar(f"asking {where.server}"):
        info = asyncio.run(ask())
    if as_json:
        click.echo(json.dumps(message_dict(info.proto), indent=2))
    else:
        result_console().print(info_table(info, where.server))
    return None


def show_model(model: str, overrides: "ModelOverrides", *, as_json: bool, verb: str) -> None:
    """Reads a model and prints its properties."""
    import dataclasses
    import json
    import logging

    from dfd.clients.display.info import model_table
    from dfd.clients.display.tables import result_console
    from dfd.clients.options import AlertPolicy
    from dfd.clients.server_info import Calibration, ModelInfo

    # the reader logs which tensors it found
    handler, logger = logging.StreamHandler(), logging.getLogger("dfd.detector")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with Waits(verb).bar(f"reading the model {model}"):
            from dfd.detector.files.read import read_checkpoint

            checkpoint = read_checkpoint(model, overrides)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    card = checkpoint.card
    info = ModelInfo(
        name=card.name,
        version=card.version,
        weights_sha256=checkpoint.weights_sha256,
        window_seconds=card.window_samples / card.sample_rate_hz,
        hop_seconds=card.hop_samples / card.sample_rate_hz,
        sample_rate_hz=card.sample_rate_hz,
        device="",
        precision="",
        engine="",
        layout=checkpoint.layout,
        spoof_label=checkpoint.spoof_label,
        normalize=card.normalize,
        padding=card.padding,
        utterance_score=card.utterance_score,
        min_speech_seconds=card.min_speech_seconds,
        calibration=Calibration(
            card.calibration.scale, card.calibration.offset, card.evidence_correlation
        ),
    )
    policy = AlertPolicy(
        rolling_threshold=card.rolling_threshold, cumulative_threshold=card.cumulative_threshold
    )
    parameters = sum(value.numel() for value in checkpoint.network.parameters())
    if as_json:
        facts = dataclasses.asdict(info) | {
            "parameters": parameters,
            "calibration": dataclasses.asdict(card.calibration),
            "evidence_correlation": card.evidence_correlation,
            "rolling_threshold": card.rolling_threshold,
            "cumulative_threshold": card.cumulative_threshold,
            "trained_bandwidth_hz": card.trained_bandwidth_hz,
        }
        click.echo(json.dumps(facts, indent=2))
    else:
        size = f"{parameters / 1e6:.1f} million parameters"
        result_console().print(model_table(info, policy, size))
