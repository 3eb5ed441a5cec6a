"""The ways a stream can end."""

from dataclasses import dataclass

import grpc

from dfd.daemon.errors import StatusError, from_stream_error
from dfd.daemon.journal.call import JournalDownError
from dfd.streaming.types import StreamError
from dfd.v1 import detection_pb2 as pb

Reason = pb.StreamSummary.EndReason


class ClientGoneError(Exception):
    """The client left, so there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class End:
    """Why a stream ends.

    Attributes:
        name: name for metrics and the log, from a fixed set.
        reason: reason in the summary.
        error: the status after the summary; None means OK.
        fault: a fault of the server; there is no summary.
        gone: the client left, so there is nobody to answer. No error is kept either, since its
            traceback would keep the stream alive.
        mute: nothing reaches the client, so last windows and summary are not attempted.
        goes_on: the stream is not over, but continues at another server.
    """

    name: str
    reason: Reason.ValueType = pb.StreamSummary.END_REASON_UNSPECIFIED
    error: StatusError | None = None
    fault: Exception | None = None
    gone: bool = False
    mute: bool = False
    goes_on: bool = False


def client_done() -> End:
    """Ends a stream whose client half-closed."""
    return End("client_done", pb.StreamSummary.END_REASON_CLIENT_DONE)


def raised(error: Exception) -> End:
    """Ends a stream in which the reader, the writer or the core raised an exception."""
    if isinstance(error, StreamError):
        error = from_stream_error(error)
    if isinstance(error, JournalDownError):
        return End("journal_down", error=error, mute=True)
    if isinstance(error, StatusError):
        return End("client_error", pb.StreamSummary.END_REASON_CLIENT_ERROR, error)
    if isinstance(error, ClientGoneError):
        return End("cancelled", gone=True)
    return End("internal_error", fault=error)


def draining(error: StatusError) -> End:
    """Ends a stream because the server is shutting down and waits no longer."""
    return End("draining", pb.StreamSummary.END_REASON_SERVER_DRAINING, error, goes_on=True)


def idle(seconds: float) -> End:
    """Ends a stream whose client sent nothing for too long."""
    error = StatusError(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "IDLE_TIMEOUT",
        f"no request arrived for {seconds:g} s; send silence while nobody speaks",
    )
    return End("idle_timeout", pb.StreamSummary.END_REASON_IDLE_TIMEOUT, error)


def not_reading(seconds: float) -> End:
    """Ends a stream whose client read no responses for too long."""
    error = StatusError(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "CLIENT_NOT_READING",
        f"no response was read for {seconds:g} s; read responses while you send audio",
    )
    return End("not_reading", error=error, mute=True)


def too_long(seconds: float) -> End:
    """Ends a stream that reached the longest allowed duration."""
    error = StatusError(
        grpc.StatusCode.ABORTED,
        "MAX_DURATION",
        f"a stream may last {seconds:g} s on this server; open another",
    )
    return End("max_duration", pb.StreamSummary.END_REASON_MAX_DURATION, error)
