"""One RPC of `WatchStreams`."""

import asyncio

import grpc
import grpc.aio

from dfd.daemon.errors import StatusError, invalid
from dfd.daemon.rpc.reader import read_message
from dfd.daemon.rpc.writer import write_message
from dfd.daemon.runtime import Runtime
from dfd.daemon.wire.requests import parse, seconds
from dfd.v1 import detection_pb2 as pb

_DEFAULT_SECONDS = 0.5
_LEAST_SECONDS, _MOST_SECONDS = 0.1, 60.0


async def serve(runtime: Runtime, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
    """Sends a snapshot and then changes, until the watcher leaves or the server ends.

    Raises:
        StatusError: with CONFIG_TIMEOUT, EMPTY_REQUEST, MALFORMED_MESSAGE, INVALID_DURATION or
            TOO_MANY_WATCHERS; CLIENT_NOT_READING; SERVER_DRAINING when the server ends.
        ClientGoneError: if the watcher left.
    """
    options, roster = runtime.options, runtime.roster
    interval = _interval(await _request(context, options.config_timeout_seconds))
    with roster.watch() as watcher:
        closed = asyncio.ensure_future(roster.closed.wait())
        try:
            while not closed.done():
                changed = asyncio.ensure_future(watcher.until_changed())
                try:
                    await asyncio.wait((changed, closed), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
                for answer in watcher.take():
                    await write_message(
                        context, answer.SerializeToString(), options.write_timeout_seconds
                    )
                    await asyncio.sleep(0)
                await asyncio.wait((closed,), timeout=interval)
        finally:
            closed.cancel()
    raise runtime.drain_error()


def _interval(request: pb.WatchStreamsRequest) -> float:
    if not request.HasField("min_interval"):
        return _DEFAULT_SECONDS
    interval = seconds(request.min_interval, "min_interval")
    if not _LEAST_SECONDS <= interval <= _MOST_SECONDS:
        raise invalid(
            "INVALID_DURATION",
            f"min_interval is {interval:g} s; use {_LEAST_SECONDS:g} to {_MOST_SECONDS:g}",
        )
    return interval


async def _request(
    context: grpc.aio.ServicerContext[bytes, bytes], limit_seconds: float
) -> pb.WatchStreamsRequest:
    try:
        async with asyncio.timeout(limit_seconds):
            raw = await read_message(context)
    except TimeoutError:
        raise StatusError(
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "CONFIG_TIMEOUT",
            f"no request arrived within {limit_seconds:g} s; send it at once",
        ) from None
    if raw is None:
        raise invalid("EMPTY_REQUEST", "the call contains no request; send one, which may be empty")
    return parse(pb.WatchStreamsRequest, raw)
