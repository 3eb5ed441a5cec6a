"""Loads and warms the model named in the options, on this machine."""

import logging

from dfd.daemon.logs import log
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.noop import NOOP, NoopDetector
from dfd.detector.spec import LoadedModel


def load_local(options: ServeOptions) -> LoadedModel:
    """Loads and warms the model; torch is imported only here.

    Raises:
        UserError: if there is no such model or device.
    """
    (model,) = options.models
    if model == NOOP:
        log(logging.WARNING, "this model scores nothing: it is for measuring capacity only")
        return NoopDetector(options.batch_buckets)
    from dfd.detector import load_detector

    return load_detector(
        model,
        device=options.device,
        precision=options.precision,
        engine=options.engine,
        batch_buckets=options.batch_buckets,
        threads=options.threads,
        beside_streams=True,
        overrides=options.overrides,
    )
