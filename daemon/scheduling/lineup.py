"""The models that a daemon serves, by the names that streams ask for."""

import logging
from collections.abc import Sequence

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.combined import CascadeScheduler, FusedScheduler
from dfd.daemon.scheduling.contract import ServedModel
from dfd.detector.fusion import Cascade, Fusion
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError


def check_names(specs: Sequence[ModelSpec]) -> None:
    """Ensures that each name stands for one model.

    Raises:
        UserError: if two have the same.
    """
    names = [spec.name for spec in specs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(
            f"two models are called {twice}: give one another name in the dfd.json beside it"
        )


def check_lineup(options: ServeOptions, specs: Sequence[ModelSpec]) -> None:
    """Makes sure that models can be served as the options say.

    Args:
        options: name them, and what is put together.
        specs: of `options.models`.

    Raises:
        UserError: if two have the same name, or some cannot be put together.
    """
    check_names(specs)
    by_name = dict(zip(options.models, specs, strict=True))
    for text in options.fuse:
        Fusion([by_name[name] for name in options.members_of(text)])
    for text in options.cascade:
        cheap, dear = (by_name[name] for name in options.members_of(text))
        Cascade(cheap, dear, options.cascade_from)


def line_up(
    options: ServeOptions, models: Sequence[ServedModel], metrics: Metrics
) -> dict[str, ServedModel]:
    """All that streams may ask for, by name; the first is for those that ask for none.

    That is the first model that was named, and the first combination where none was.

    Args:
        options: name the models, and what is put together.
        models: `options.models`, as they are served.
        metrics: for what combinations count.

    Raises:
        UserError: if two have the same name, or some cannot be put together.
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
    check_names([model.spec for model in ordered])
    for model in combined:
        log(logging.INFO, "combined", model=model.spec.name, how=model.spec.card_text)
    return {model.spec.name: model for model in ordered}


def _fused(members: list[ServedModel], metrics: Metrics) -> ServedModel:
    fusion = Fusion([member.spec for member in members])

    def seconds_each() -> float | None:
        each = [member.seconds_each() for member in members]
        return None if None in each else sum(one for one in each if one is not None)

    return ServedModel(
        fusion.spec,
        FusedScheduler(members, fusion, metrics),
        lambda: any(member.well() for member in members),
        seconds_each,
        tuple(members),
    )


def _cascaded(members: list[ServedModel], options: ServeOptions, metrics: Metrics) -> ServedModel:
    cheap, dear = members
    cascade = Cascade(cheap.spec, dear.spec, options.cascade_from)
    scheduler = CascadeScheduler(cheap, dear, cascade, metrics)
    return ServedModel(cascade.spec, scheduler, cheap.well, scheduler.seconds_each, tuple(members))
