import grpc
from google.rpc import error_details_pb2

from dfd.daemon.errors import StatusError, from_stream_error, internal
from dfd.daemon.rpc.ends import raised
from dfd.streaming.types import StreamError


def test_details() -> None:
    status = StatusError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "SERVER_FULL",
        "try later",
        metadata={"max_streams": "3"},
        retry_seconds=1.25,
    ).status()
    assert (status.code, status.message) == (8, "try later")
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert (info.reason, info.domain, dict(info.metadata)) == (
        "SERVER_FULL",
        "dfd",
        {"max_streams": "3"},
    )
    assert retry.retry_delay.ToMilliseconds() == 1250


def test_without_a_time_to_retry() -> None:
    assert len(internal("s-1").status().details) == 1


def test_the_core_determines_the_reason() -> None:
    error = from_stream_error(StreamError("PARTIAL_FRAME", "send whole frames"))
    assert error.code == grpc.StatusCode.INVALID_ARGUMENT
    assert (error.reason, error.message) == ("PARTIAL_FRAME", "send whole frames")


def test_statuses_separate_client_and_server_errors() -> None:
    assert raised(StreamError("A", "b")).name == "client_error"
    fault = KeyError("x")
    end = raised(fault)
    assert (end.name, end.fault, end.error) == ("internal_error", fault, None)
