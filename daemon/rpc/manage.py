"""One RPC of `ManageModel`: a model replaced while streams run."""

import logging
from dataclasses import replace

import grpc
import grpc.aio

from dfd.daemon.errors import StatusError, invalid
from dfd.daemon.logs import log, model_fields
from dfd.daemon.rpc.reader import read_message
from dfd.daemon.runtime import Runtime
from dfd.daemon.scheduling.contract import Replaceable, ServedModel
from dfd.daemon.wire import describe
from dfd.daemon.wire.requests import parse
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError
from dfd.v1 import detection_pb2 as pb

_Action = pb.ManageModelRequest.Action


async def serve(
    runtime: Runtime, context: grpc.aio.ServicerContext[bytes, bytes], who: str | None
) -> pb.ManageModelResponse:
    """Does what a request asks for, and tells where the model stands then.

    Args:
        runtime: of the daemon.
        context: of the RPC.
        who: name of the token, for the log.

    Raises:
        StatusError: with ADMIN_OFF, UNKNOWN_MODEL, MODEL_FIXED or MODEL_REFUSED; nothing has
            changed then.
    """
    if not (runtime.auth.required or runtime.options.allow_admin):
        raise StatusError(
            grpc.StatusCode.PERMISSION_DENIED,
            "ADMIN_OFF",
            "models can be replaced with a token that allows admin, or where the server was "
            "started with --allow-admin",
        )
    runtime.check_warm()
    raw = await read_message(context)
    request = parse(pb.ManageModelRequest, raw or b"")
    served = runtime.choose(request.model, None)
    model = runtime.replaceable(served)
    if model is None:
        raise StatusError(
            grpc.StatusCode.FAILED_PRECONDITION,
            "MODEL_FIXED",
            f"{served.spec.name} cannot be replaced while streams run: it is put together of "
            "others, part of what is, or served by several processes; start a daemon with the "
            "other model beside this one, both with --handover",
        )
    try:
        await _act(runtime, request, served, model, who)
    except UserError as error:
        raise invalid("MODEL_REFUSED", str(error)) from None
    active = next(one for one in runtime.models.values() if one.scheduler is served.scheduler)
    return pb.ManageModelResponse(
        active=describe.model_message(active.spec),
        waiting=_told(model.waiting),
        previous=_told(model.previous),
    )


async def _act(
    runtime: Runtime,
    request: pb.ManageModelRequest,
    served: ServedModel,
    model: Replaceable,
    who: str | None,
) -> None:
    if request.action == _Action.ACTION_LOAD:
        if not request.source:
            raise UserError("source is empty: name what is to be loaded")
        spec = await model.load(request.source)
        log(logging.WARNING, "model loaded beside", token=who, **model_fields(spec))
    elif request.action == _Action.ACTION_ACTIVATE:
        waiting = model.waiting
        if waiting is not None:
            runtime.check_name(served, waiting.name)
        _swapped(runtime, served, model.activate(), who)
    elif request.action == _Action.ACTION_ROLLBACK:
        _swapped(runtime, served, model.roll_back(), who)


def _swapped(runtime: Runtime, served: ServedModel, spec: ModelSpec, who: str | None) -> None:
    """Tells everyone who has to know that another model judges from now on."""
    new = replace(served, spec=spec)
    runtime.go_on_with(served, new)
    log(logging.WARNING, "model activated", token=who, **model_fields(spec))
    runtime.warn(
        "MODEL_CHANGED", f"windows are judged by {spec.name} {spec.version} from now on", new
    )


def _told(spec: ModelSpec | None) -> pb.ModelInfo | None:
    return None if spec is None else describe.model_message(spec)
