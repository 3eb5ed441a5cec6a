"""The reasons why a server does not answer, with real servers that do not fit the client."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError
from dfd.clients.options import Connection, RetryPolicy
from dfd.clients.transport.trouble import Trouble, diagnose, speaks_tls
from tests.certificates import Issued, issue


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@asynccontextmanager
async def listening(cert: Issued | None, client_ca: Issued | None = None) -> AsyncIterator[str]:
    """Starts a gRPC server with TLS or plain text that has no methods."""
    server = grpc.aio.server()
    if cert is None:
        port = server.add_insecure_port("localhost:0")
    else:
        pair = (cert.key_path.read_bytes(), cert.cert_path.read_bytes())
        ca = None if client_ca is None else client_ca.cert_path.read_bytes()
        port = server.add_secure_port(
            "localhost:0", grpc.ssl_server_credentials([pair], ca, client_ca is not None)
        )
    await server.start()
    try:
        yield f"localhost:{port}"
    finally:
        await server.stop(0)


async def trouble(connection: Connection) -> Trouble:
    async with AsyncDetectionClient(connection, retry=RetryPolicy(connect_seconds=0)) as client:
        with pytest.raises(DetectionError) as caught:
            await client.server_info(10.0)
    return diagnose(caught.value, connection)


async def test_each_way_that_tls_fails_has_its_own_advice(tmp_path: Path) -> None:
    ours, theirs = issue(tmp_path, "ours"), issue(tmp_path, "theirs")
    good = issue(tmp_path, "good", authority=ours)
    ca = ours.cert_path
    async with listening(good) as server:
        found = await trouble(Connection(server=server))
        assert found == Trouble(
            "tls",
            f"{server} uses TLS but this client does not: name its certificate authority with"
            " --tls-ca",
        )
        found = await trouble(Connection(server=server, insecure=True, tls_ca=ca))
        assert (
            "leave out --insecure, and name its certificate authority with --tls-ca" in found.advice
        )
        found = await trouble(Connection(server=server, tls_ca=theirs.cert_path))
        assert (found.reason, f"an authority in {theirs.cert_path}" in found.advice) == (
            "tls",
            True,
        )
        assert (await trouble(Connection(server=server, tls_ca=ca))).reason == "version"
    async with listening(None) as server:
        found = await trouble(Connection(server=server, tls_ca=ca))
        assert found.reason == "tls"
        assert "does not use TLS but this client does: use --insecure" in found.advice
    for made, said in (
        (issue(tmp_path, "old", authority=ours, days=-1), "has expired: renew it"),
        (issue(tmp_path, "other", authority=ours, host="elsewhere"), "is for another name"),
    ):
        async with listening(made) as server:
            found = await trouble(Connection(server=server, tls_ca=ca))
            assert found.reason == "tls"
            assert said in found.advice
    async with listening(good, client_ca=theirs) as server:
        found = await trouble(Connection(server=server, tls_ca=ca))
        assert found.reason == "tls"
        assert "--tls-cert and --tls-key" in found.advice


async def test_no_listener_and_another_service() -> None:
    server = f"127.0.0.1:{closed_port()}"
    found = await trouble(Connection(server=server))
    assert found.reason == "refused"
    assert found.advice.startswith(f"no server answers at {server}: start one with dfd serve")
    assert not speaks_tls(server)


@pytest.mark.parametrize(
    ("code", "reason", "message", "word"),
    [
        ("UNAVAILABLE", "WARMING_UP", "the model is warming up", "warming_up"),
        ("UNAVAILABLE", "", "DNS resolution failed for nowhere:1", "name"),
        ("UNAVAILABLE", "", "connect: timed out", "timeout"),
        ("DEADLINE_EXCEEDED", "", "Deadline Exceeded", "timeout"),
        ("UNAUTHENTICATED", "", "no token", "token"),
        ("RESOURCE_EXHAUSTED", "OVERLOADED", "no room", "overloaded"),
        ("UNIMPLEMENTED", "", "no such method", "version"),
        ("INTERNAL", "", "boom", "other"),
    ],
)
def test_the_reason_is_named(code: str, reason: str, message: str, word: str) -> None:
    found = diagnose(DetectionError(code, reason, message), Connection(server="there:1"))
    assert found.reason == word
    assert "there:1" in found.advice


def test_a_listener_that_is_not_a_daemon() -> None:
    error = DetectionError("UNAVAILABLE", "", "ipv4:127.0.0.1:9: Socket closed")
    found = diagnose(error, Connection(server=f"127.0.0.1:{closed_port()}"))
    assert found.reason == "closed"
