"""Converts a failed call to a `DetectionError`."""

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from dfd.clients.errors import DetectionError

_DETAILS = "grpc-status-details-bin"
# gRPC's own words for a stream that was cut off; a server's statuses have a reason
_CUT_OFF = "RST_STREAM"
# gRPC's own words where it lost the status; a call that we cancelled says "Locally cancelled"
_LOST = "CANCELLED"


def from_call(
    code: grpc.StatusCode, details: str | None, trailers: grpc.aio.Metadata | None
) -> DetectionError:
    """Converts a status with its `ErrorInfo` and `RetryInfo`, if the trailers contain them."""
    reason, retry_after = "", None
    for key, value in trailers or ():
        if key != _DETAILS or not isinstance(value, bytes):
            continue
        try:
            for detail in status_pb2.Status.FromString(value).details:
                info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
                if detail.Unpack(info):
                    reason = info.reason
                elif detail.Unpack(retry):
                    delay = retry.retry_delay
                    retry_after = max(0.0, delay.seconds + delay.nanos / 1e9)
        except DecodeError:
            continue
    if code is grpc.StatusCode.INTERNAL and not reason and _CUT_OFF in (details or ""):
        # a proxy, such as nginx, does that when the server behind it dies
        code, details = grpc.StatusCode.UNAVAILABLE, f"a proxy lost the server ({details})"
    if code is grpc.StatusCode.CANCELLED and not reason and details == _LOST:
        # in a burst of refusals, where the first message fails before the refusal is read
        code = grpc.StatusCode.UNAVAILABLE
        details = "the server ended the call, and gRPC lost the reason"
    return DetectionError(code.name, reason, details or "the server gave no reason", retry_after)


def from_error(error: grpc.aio.AioRpcError) -> DetectionError:
    """Converts the exception of a failed call."""
    return from_call(error.code(), error.details(), error.trailing_metadata())
