import pytest

from dfd.clients.options import Connection
from dfd.clients.transport.connection import uses_tls
from dfd.clients.transport.route import is_loopback


@pytest.mark.parametrize(
    ("server", "loopback"),
    [
        ("localhost:1", True),
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("unix:/run/dfd.sock", True),
        ("dfd.example:1", False),
        ("10.0.0.1:1", False),
        ("localhost.example:1", False),
    ],
)
def test_only_loopback_is_contacted_without_encryption(server: str, loopback: bool) -> None:
    assert is_loopback(server) is loopback
    assert uses_tls(Connection(server=server)) is not loopback
    assert not uses_tls(Connection(server=server, insecure=True))
