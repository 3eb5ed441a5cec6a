"""Statuses that no server gave, and those that one did."""

import grpc
import grpc.aio
import pytest

from dfd.clients.transport.status import from_call
from dfd.daemon.errors import STATUS_DETAILS_KEY, internal

CUT_OFF = "Stream removed (RST_STREAM (Received RST_STREAM with error code 2))"


def test_a_call_that_a_proxy_cut_off_may_be_tried_again() -> None:
    error = from_call(grpc.StatusCode.INTERNAL, CUT_OFF, grpc.aio.Metadata())
    assert (error.code, error.retryable) == ("UNAVAILABLE", True)
    assert "a proxy lost the server" in error.message


def test_a_call_whose_status_was_lost_may_be_tried_again() -> None:
    error = from_call(grpc.StatusCode.CANCELLED, "CANCELLED", grpc.aio.Metadata())
    assert (error.code, error.retryable) == ("UNAVAILABLE", True)
    assert error.message == "the server ended the call, and gRPC lost the reason"


def test_a_call_that_was_cancelled_here_may_not() -> None:
    details = "Locally cancelled by application!"
    assert not from_call(grpc.StatusCode.CANCELLED, details, grpc.aio.Metadata()).retryable


@pytest.mark.parametrize("details", ["boom", None])
def test_other_internal_errors_may_not(details: str | None) -> None:
    assert not from_call(grpc.StatusCode.INTERNAL, details, None).retryable


def test_a_fault_that_the_server_reported_may_not() -> None:
    trailers = grpc.aio.Metadata((STATUS_DETAILS_KEY, internal("s").status().SerializeToString()))
    error = from_call(grpc.StatusCode.INTERNAL, CUT_OFF, trailers)
    assert (error.code, error.reason, error.retryable) == ("INTERNAL", "INTERNAL_ERROR", False)
