"""Loads the model named in the options, on this machine or elsewhere."""

from dfd.daemon.engine_address import TRITON, EngineAddress, is_remote
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.load import load_local
from dfd.detector.spec import LoadedModel
from dfd.errors import UserError


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

        model: LoadedModel = TritonEngine(address, options)
    else:
        from dfd.daemon.cluster.ray_engine import RayEngine

        model = RayEngine(address, options)
    if options.precision not in ("auto", model.spec.precision):
        raise UserError(
            f"{options.engine} serves the model in {model.spec.precision}, where it was "
            f"deployed or exported: leave out --precision {options.precision}"
        )
    return model
