"""The answer to an RPC that has one, written by the handler itself: grpc's own write has no clock.

A client whose HTTP/2 window is closed would hold its RPC for ever, and all of them would take the
server away from everyone else. On the wire a method with one answer is the same as one with many.
"""

import asyncio

import grpc.aio

from dfd.daemon.rpc.ends import ClientGoneError, not_reading


async def write_message(
    context: grpc.aio.ServicerContext[bytes, bytes], content: bytes, limit_seconds: float
) -> None:
    """Writes a message.

    Raises:
        StatusError: with CLIENT_NOT_READING.
        ClientGoneError: if the client left.
    """
    try:
        async with asyncio.timeout(limit_seconds):
            await context.write(content)
    except TimeoutError:
        error = not_reading(limit_seconds).error
        assert error is not None
        raise error from None
    except grpc.aio.BaseError as error:
        raise ClientGoneError from error
