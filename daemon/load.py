"""Loads the model named in the options, on this machine or on a cluster."""

from dfd.daemon.engine_address import EngineAddress, is_remote
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.load import load_local
from dfd.detector.spec import LoadedModel


def load_model(options: ServeOptions) -> LoadedModel:
    """Loads and warms the model, where `options.engine` says.

    Raises:
        UserError: if there is no such model, device or cluster.
    """
    if not is_remote(options.engine):
        return load_local(options)
    from dfd.daemon.cluster.ray_engine import RayEngine

    return RayEngine(EngineAddress.parse(options.engine), options)
