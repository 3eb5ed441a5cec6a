"""The models that a daemon serves, by the names that streams ask for."""

import logging
from collections.abc import Sequence
from pathlib import Path

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.combined import CascadeScheduler, FusedScheduler
from dfd.daemon.scheduling.contract import ServedModel
from dfd.detector.fusion import Cascade, Fusion
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError


def _check_names(sources: Sequence[str], specs: Sequence[ModelSpec]) -> None:
    named: dict[str, str] = {}
    for source, spec in zip(sources, specs, strict=True):
        other = named.setdefault(spec.name, source)
        if other != source:
            path = Path(source)
            card = f"{path.stem}.dfd.json beside it" if path.is_file() else "its dfd.json"
            raise UserError(
                f"{other} and {source} are both called {spec.name}: give one another name, by "
                f'"name" in its card (for {source} {card})'
            )


def check_lineup(options: ServeOptions, specs: Sequence[ModelSpec]) -> None:
    """Checks that models can be served and combined as the options say.

    Args:
        options: name the models and their combinations.
        specs: specs of `options.models`.

    Raises:
        UserError: if two have the same name, or some cannot be combined.
    """
    by_name = dict(zip(options.models, specs, strict=True))
    combined = [
        Fusion([by_name[name] for name in options.members_of(text)]).spec for text in options.fuse
    ]
    for text in options.cascade:
        first, second = (by_name[name] for name in options.members_of(text))
        combined.append(Cascade(first, second, options.cascade_from).spec)
    sources = (*options.models, *options.fuse, *options.cascade)
    _check_names(sources, [*specs, *combined])


def line_up(
    options: ServeOptions, models: Sequence[ServedModel], metrics: Metrics
) -> dict[str, ServedModel]:
    """Returns everything that streams may ask for, by name; the first is for those that name none.

    That is the first model that was named, or the first combination if none was.

    Args:
        options: name the models and their combinations; `check_lineup` has accepted them.
        models: `options.models`, as they are served.
        metrics: counts what becomes of windows at the members of combinations.
    """
    by_name = dict(zip(options.models, models, strict=True))
    combined = [
        *(_fused([by_name[name] for name in options.members_of(t)], metrics) for t in options.fuse),
        *(
            _cascaded([by_name[name] for name in options.members_of(t)], options, metrics)
            for t in options.cascade
        ),
    ]
    ordered = [*models, *combined] if options.named_models else [*combined, *models]
    for model in combined:
        log(logging.INFO, "models combined", model=model.spec.name, how=model.spec.card_text)
    return {model.spec.name: model for model in ordered}


def _fused(members: list[ServedModel], metrics: Metrics) -> ServedModel:
    fusion = Fusion([member.spec for member in members])
    scheduler = FusedScheduler(members, fusion, metrics)
    return ServedModel(
        fusion.spec,
        scheduler,
        lambda: any(member.well() for member in members),
        scheduler.seconds_each,
        tuple(members),
    )


def _cascaded(members: list[ServedModel], options: ServeOptions, metrics: Metrics) -> ServedModel:
    first, second = members
    cascade = Cascade(first.spec, second.spec, options.cascade_from)
    scheduler = CascadeScheduler(first, second, cascade, metrics)
    return ServedModel(cascade.spec, scheduler, first.well, scheduler.seconds_each, tuple(members))
