"""Loads the model named in the options, on this machine or elsewhere."""

from dfd.daemon.engine_address import TRITON, EngineAddress, is_remote
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.load import load_local
from dfd.detector.spec import LoadedModel


def load_model(options: ServeOptions) -> LoadedModel:
    """Loads and warms the model, where `options.engine` says.

    Raises:
        UserError: if there is no such model, device, cluster or server.
    """
    if not is_remote(options.engine):
        return load_local(options)
    address = EngineAddress.parse(options.engine)
    if address.scheme == TRITON:
        from dfd.daemon.cluster.triton_engine import TritonEngine

        return TritonEngine(address, options)
    from dfd.daemon.cluster.ray_engine import RayEngine

    return RayEngine(address, options)
