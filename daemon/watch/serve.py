"""One call of `WatchStreams`."""

import asyncio

import grpc.aio

from dfd.daemon.errors import invalid
from dfd.daemon.rpc.convert import parse, seconds
from dfd.daemon.rpc.ends import ClientGoneError
from dfd.daemon.runtime import Runtime
from dfd.v1 import detection_pb2 as pb

_DEFAULT_SECONDS = 0.5
_LEAST_SECONDS, _MOST_SECONDS = 0.1, 60.0


async def serve(
    runtime: Runtime, context: grpc.aio.ServicerContext[bytes, bytes], raw: bytes
) -> None:
    """Tells a snapshot and then what changed, until the watcher leaves or the server ends.

    Raises:
        CallError: MALFORMED_MESSAGE, INVALID_DURATION or TOO_MANY_WATCHERS; SERVER_DRAINING
            when the server ends.
        ClientGoneError: the watcher left.
    """
    interval = _interval(parse(pb.WatchStreamsRequest, raw))
    roster = runtime.roster
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
                    await _write(context, answer)
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


async def _write(
    context: grpc.aio.ServicerContext[bytes, bytes], answer: pb.WatchStreamsResponse
) -> None:
    try:
        await context.write(answer.SerializeToString())
    except grpc.aio.BaseError as error:
        raise ClientGoneError from error
