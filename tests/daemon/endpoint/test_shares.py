import pytest

from dfd.daemon.endpoint.address import host_of
from dfd.daemon.endpoint.auth import Right, Token
from dfd.daemon.endpoint.shares import Shares
from dfd.daemon.errors import StatusError
from dfd.daemon.options import ServeOptions


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.0.0.7:5060", "10.0.0.7"),
        ("ipv6:%5B2001:db8::1%5D:5060", "2001:db8::1"),
        ("unix:/run/dfd.sock", "localhost"),
        ("vsock:3", "vsock:3"),
    ],
)
def test_the_address_of_a_peer(peer: str, host: str) -> None:
    assert host_of(peer) == host


def refused(shares: Shares, peer: str, token: Token | None = None) -> str:
    try:
        with shares.hold(peer, token):
            return ""
    except StatusError as error:
        return error.reason if error.retry_seconds else "no time to come back"


def test_one_address_cannot_take_all_slots() -> None:
    shares = Shares(ServeOptions(max_streams=4))
    with (
        shares.hold("ipv4:10.0.0.7:1", None),
        shares.hold("ipv4:10.0.0.7:2", None),
        shares.hold("ipv4:10.0.0.7:3", None),
    ):
        assert refused(shares, "ipv4:10.0.0.7:4") == "PEER_FULL"
        assert refused(shares, "ipv4:10.0.0.8:4") == ""
    assert refused(shares, "ipv4:10.0.0.7:4") == ""
    for number in range(9):  # this machine may use all slots
        assert refused(shares, f"ipv4:127.0.0.1:{number}") == ""


def test_minutes_are_counted_per_day() -> None:
    now = 86_400.0 * 100 + 80_000
    shares = Shares(ServeOptions(), None, lambda: now)
    token = Token("a", b"", frozenset({Right.DETECT}), minutes=1.0)
    shares.spend(token, 59.5)
    assert refused(shares, "unix:", token) == "TOKEN_SPENT"
    now += 7_000
    assert refused(shares, "unix:", token) == ""
