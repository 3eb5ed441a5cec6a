import socket

import pytest

from dfd.daemon.engine_address import EngineAddress, check_reachable, is_remote
from dfd.daemon.options import ServeOptions
from dfd.errors import UserError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ray://auto", EngineAddress("ray", "auto", "dfd")),
        ("ray://local/voices", EngineAddress("ray", "local", "voices")),
        (
            "ray://10.0.0.1:6379/dfd?replicas=1-8&gpus=1",
            EngineAddress("ray", "10.0.0.1:6379", "dfd", {"replicas": "1-8", "gpus": "1"}),
        ),
    ],
)
def test_an_address_names_cluster_and_application(text: str, expected: EngineAddress) -> None:
    assert is_remote(text)
    assert EngineAddress.parse(text) == expected
    assert ServeOptions(engine=text).engine == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ray://", "is not an address"),
        ("beam://auto", "use ray://auto"),
        ("ray://auto?replica=2", "unknown argument replica; use replicas, cpus, gpus, fallback"),
        ("triton://h:8001/m?tls=off", "can have tls=on only"),
        ("triton://h:8001/m?cert=c.pem", "needs both cert and key"),
        ("ray://auto?tls=on", "unknown argument tls"),
        ("ray://auto?fallback=cuda", "fall back to local only: use fallback=local"),
    ],
)
def test_an_invalid_address_is_refused_with_advice(text: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        ServeOptions(engine=text)


def test_what_scores_meanwhile_is_not_an_argument_of_the_application() -> None:
    address = EngineAddress.parse("ray://auto/dfd?replicas=2&fallback=local")
    assert address.fallback == "local"
    assert address.deployment == {"replicas": "2"}
    assert EngineAddress.parse("ray://auto").fallback is None


def test_a_server_is_reached_by_tls_if_the_address_says_so() -> None:
    assert EngineAddress.parse("triton://h:8001/m?ca=/ca.pem").encrypted
    assert EngineAddress.parse("triton://h:8001/m?tls=on").encrypted
    assert not EngineAddress.parse("triton://h:8001/m").encrypted


def test_a_local_engine_is_not_an_address() -> None:
    assert not is_remote("auto")
    with pytest.raises(UserError, match="ray://auto"):
        ServeOptions(engine="steam")


def test_a_missing_cluster_is_reported_at_once() -> None:
    with pytest.raises(UserError, match=r"no Ray cluster answers at 127\.0\.0\.1:1: start one"):
        check_reachable("127.0.0.1:1")
    with pytest.raises(UserError, match="head is not HOST:PORT"):
        check_reachable("head")
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_reachable(f"127.0.0.1:{server.getsockname()[1]}")
