"""Writing to a call without losing the server's status, and reading why a call ended.

grpc.aio overwrites the status that a server gave with "INTERNAL: Internal error from Core"
when a write fails because the call has just ended (https://github.com/grpc/grpc/issues/36066).
`write` avoids that: it raises `CallEndedError`, and reading the call yields the status.
"""

import asyncio

import grpc
import grpc.aio

from dfd.clients.errors import DetectionError
from dfd.clients.transport.status import from_call
from dfd.v1 import detection_pb2 as pb

StreamCall = grpc.aio.StreamStreamCall[pb.StreamingDetectRequest, pb.StreamingDetectResponse]


class CallEndedError(Exception):
    """The call accepts no more messages; its status says why."""


async def write(call: StreamCall, message: pb.StreamingDetectRequest) -> None:
    """Sends one message.

    Raises:
        CallEndedError: if the call is over.
    """
    core = getattr(call, "_cython_call", None)
    send = getattr(core, "send_serialized_message", None)
    try:
        if send is None:  # a grpc with other internals
            await call.write(message)
        else:
            await call.wait_for_connection()
            await send(message.SerializeToString())
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except Exception as error:
        raise CallEndedError from error


async def half_close(call: StreamCall) -> None:
    """Tells the server that no more messages follow.

    Raises:
        CallEndedError: if the call is over.
    """
    try:
        await call.done_writing()
    except Exception as error:
        raise CallEndedError from error


async def ended(call: StreamCall) -> DetectionError:
    """Returns why a call ended without a summary."""
    code = await call.code()
    if code is grpc.StatusCode.OK:
        return DetectionError("UNAVAILABLE", "NO_SUMMARY", "the server ended without a summary")
    return from_call(code, await call.details(), await call.trailing_metadata())
