"""One call of `ManageModel`: a model replaced while streams run."""

import logging

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
    """Does what a request asks for, and returns the state of the model after that.

    Args:
        runtime: state of the daemon.
        context: context of the RPC.
        who: name of the token, for the log.

    Raises:
        StatusError: with ADMIN_OFF, UNKNOWN_MODEL, MODEL_FIXED or MODEL_REFUSED; nothing is changed
            then.
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
    served = runtime.named(request.model)  # also one that fails, to go back from it
    model = runtime.replaceable(served)
    if model is None:
        raise StatusError(
            grpc.StatusCode.FAILED_PRECONDITION,
            "MODEL_FIXED",
            f"{served.spec.name} cannot be replaced while streams run: it is a combination, or "
            "part of one; start a daemon with the other model next to this one, both with "
            "--handover",
        )
    try:
        await _act(runtime, request, served, model, who)
    except UserError as error:
        raise invalid("MODEL_REFUSED", str(error)) from None
    active = runtime.current(served) or served
    return pb.ManageModelResponse(
        active=describe.model_message(active.spec),
        waiting=_message(model.waiting),
        previous=_message(model.previous),
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
            raise UserError("source is empty: name the model to load")
        spec = await model.load(request.source)
        log(logging.WARNING, "another model loaded", token=who, **model_fields(spec))
    elif request.action == _Action.ACTION_ACTIVATE:
        waiting = model.waiting
        if waiting is not None:
            runtime.check_name(served, waiting.name)
        _log_change(await model.activate(), who)
    elif request.action == _Action.ACTION_ROLLBACK:
        _log_change(await model.roll_back(), who)


def _log_change(spec: ModelSpec, who: str | None) -> None:
    log(logging.WARNING, "model activated", token=who, **model_fields(spec))


def _message(spec: ModelSpec | None) -> pb.ModelInfo | None:
    return None if spec is None else describe.model_message(spec)
