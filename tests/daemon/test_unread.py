import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from dfd.daemon import unread
from dfd.daemon.unread import UnreadRpcs, close_connection


@contextlib.contextmanager
def connected(family: int, listening: str, to: str) -> Iterator[tuple[socket.socket, str]]:
    """Yields a client's end of a connection whose other end this process has, and its name."""
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(
                socket.create_server((listening, 0), family=family, dualstack_ipv6=to != listening)
            )
        except OSError:
            pytest.skip("this machine has no IPv6")
        port = listener.getsockname()[1]
        client = stack.enter_context(socket.create_connection((to, port), 5.0))
        stack.enter_context(listener.accept()[0])
        host, own = client.getsockname()[:2]
        yield client, f"ipv4:{host}:{own}" if "." in host else f"ipv6:%5B{host}%5D:{own}"


@pytest.mark.parametrize(
    ("family", "listening", "to"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::", "127.0.0.1"),
    ],
)
def test_the_connection_with_a_peer_is_closed(family: int, listening: str, to: str) -> None:
    with (
        connected(family, listening, to) as (client, peer),
        connected(family, listening, to) as (other, _),
    ):
        assert close_connection(peer)
        assert client.recv(1) == b""
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.recv(1)


@pytest.mark.parametrize("peer", ["ipv4:127.0.0.1:1", "unix:"])
def test_a_peer_that_is_not_connected_changes_nothing(peer: str) -> None:
    one, other = socket.socketpair()
    with one, other:
        assert not close_connection(peer)
        one.sendall(b".")


async def test_the_peer_with_most_unread_calls_loses_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[str] = []
    monkeypatch.setattr(unread, "close_connection", closed.append)
    rpcs = UnreadRpcs(most=4)
    tasks = [asyncio.create_task(asyncio.Event().wait()) for _ in range(6)]
    for task, peer in zip(tasks[:4], "abbc", strict=True):
        rpcs.add(task, peer)
    # one that is read at last counts no longer
    tasks[3].cancel()
    await asyncio.wait([tasks[3]])
    rpcs.add(tasks[4], "d")
    assert closed == []
    rpcs.add(tasks[5], "e")
    assert closed == ["b"]
    for task in tasks:
        task.cancel()
