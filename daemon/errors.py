"""How an RPC fails: a status, an `ErrorInfo` for machines and a message that says what to do."""

import asyncio
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from dfd.daemon.unread import note_unread
from dfd.streaming.types import StreamError

DOMAIN = "dfd"
STATUS_DETAILS_KEY = "grpc-status-details-bin"
# how long a status may take to reach the transport: a client that does not read could block it
_ABORT_SECONDS = 5.0


class StatusError(Exception):
    """Ends an RPC with a status other than OK.

    Attributes:
        reason: the `ErrorInfo.reason`, a stable UPPER_SNAKE_CASE word.
        metadata: bounded facts for `ErrorInfo.metadata`; never secrets.
        retry_seconds: if given, adds a `RetryInfo`.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        *,
        metadata: dict[str, str] | None = None,
        retry_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = metadata or {}
        self.retry_seconds = retry_seconds

    def status(self) -> status_pb2.Status:
        """Returns the error as `google.rpc.Status` with its details."""
        details = [any_pb2.Any()]
        details[0].Pack(
            error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata)
        )
        if self.retry_seconds is not None:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(round(self.retry_seconds * 1000))
            details.append(any_pb2.Any())
            details[1].Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        number: int = self.code.value[0]
        return status_pb2.Status(code=number, message=self.message, details=details)


def alone(error: StatusError) -> StatusError:
    """Returns the error without traceback and causes.

    Their frames refer to what was being judged, and grpc keeps the error of an aborted RPC in a
    cycle: a recording that was refused would stay in memory until the next full collection.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def invalid(reason: str, message: str) -> StatusError:
    """Makes the error for a caller who broke the contract."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, reason, message)


def from_stream_error(error: StreamError) -> StatusError:
    """Converts an error of the streaming core to a status."""
    return invalid(error.reason, str(error))


def internal(stream_id: str) -> StatusError:
    """Makes the error for a fault of the server; the log has the traceback under the same id."""
    return StatusError(
        grpc.StatusCode.INTERNAL,
        "INTERNAL_ERROR",
        f"the server failed on this stream; open it again, or look for {stream_id} in its log",
        metadata={"stream_id": stream_id},
    )


def draining(retry_seconds: float) -> StatusError:
    """Makes the error of a server that is shutting down."""
    return StatusError(
        grpc.StatusCode.UNAVAILABLE,
        "SERVER_DRAINING",
        "the server is shutting down; reconnect, to another server if there is one",
        retry_seconds=retry_seconds,
    )


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: StatusError) -> NoReturn:
    """Ends the RPC with the error's status, details and message."""
    details = ((STATUS_DETAILS_KEY, error.status().SerializeToString()),)
    await abort_with(context, error.code, error.message, details)


async def abort_with(
    context: grpc.aio.ServicerContext[Any, Any],
    code: grpc.StatusCode,
    message: str,
    trailing_metadata: tuple[tuple[str, bytes], ...] = (),
) -> NoReturn:
    """Ends the RPC with a status, which a client that does not read cannot delay for long."""
    try:
        async with asyncio.timeout(_ABORT_SECONDS):
            await context.abort(code, message, trailing_metadata=trailing_metadata)
    except (TimeoutError, grpc.aio.BaseError):
        # the client has left meanwhile, or does not read: the status waits behind a message, or
        # grpc refuses it because of that
        note_unread(context)
    # grpc accepts only its own exception as the end of an aborted RPC, and raises it on every
    # further use of such an RPC
    await context.read()
    raise AssertionError("an aborted RPC cannot be read")
