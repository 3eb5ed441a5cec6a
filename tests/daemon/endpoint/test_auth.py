import hashlib
import logging
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dfd.daemon.endpoint.auth import Authenticator, Right, Token, read_tokens
from dfd.daemon.errors import StatusError
from dfd.errors import UserError
from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import Serve, config_request, unpack

SECRET = "s3cret-of-alice"
DIGEST = hashlib.sha256(b"other-secret").hexdigest()
GOOD = f"""
[[tokens]]
name = "alice"
token = "{SECRET}"

[[tokens]]
name = "monitor"
sha256 = "{DIGEST.upper()}"
allow = ["info"]
"""


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.toml"
    path.write_text(GOOD)
    return path


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


def test_tokens_are_kept_as_digests(token_file: Path) -> None:
    alice, monitor = read_tokens(token_file)
    assert alice.name == "alice"
    assert alice.allow == {Right.DETECT, Right.INFO}
    assert monitor == Token("monitor", bytes.fromhex(DIGEST), frozenset({Right.INFO}))
    assert SECRET not in repr(alice)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"must contain \[\[tokens\]\] tables"),
        ("tokens = 3", r"must contain \[\[tokens\]\] tables"),
        ("port = 3\n" + GOOD, r"must contain \[\[tokens\]\] tables"),
        ("[[tokens]\n", "is not TOML"),
        ('[[tokens]]\ntoken = "x"', "token 1: give it a name"),
        ('[[tokens]]\nname = "a"', "token 1: give either token or sha256"),
        ('[[tokens]]\nname = "a"\ntoken = ""', "token 1: give either token or sha256"),
        (f'[[tokens]]\nname = "a"\ntoken = "{SECRET}"\nsha256 = "00"', "give either token or"),
        ('[[tokens]]\nname = "a"\nsha256 = "0g"', "64 hexadecimal digits"),
        (
            f'[[tokens]]\nname = "a"\ntoken = "{SECRET}"\nallow = ["all"]',
            "allow must be a list of det",
        ),
        (
            f'[[tokens]]\nname = "a"\ntoken = "{SECRET}"\nallow = "info"',
            "allow must be a list of det",
        ),
        (f'[[tokens]]\nname = "a"\ntoken = "{SECRET}"\nscope = []', "the keys of a token are"),
        (GOOD + GOOD, "two tokens have the same name"),
    ],
)
def test_an_invalid_file_is_reported_without_its_secrets(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_tokens(path)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the token file .*: No such file"):
        read_tokens(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    with pytest.raises(UserError, match="not UTF-8"):
        read_tokens(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "TOKEN_MISSING"),
        (None, "TOKEN_MISSING"),
        ((("authorization", "Bearer"),), "TOKEN_MISSING"),
        ((("authorization", f"Basic {SECRET}"),), "TOKEN_MISSING"),
        (bearer(SECRET) * 2, "TOKEN_MISSING"),
        (bearer("wrong"), "TOKEN_UNKNOWN"),
        (bearer(DIGEST), "TOKEN_UNKNOWN"),
        ((("authorization", b"Bearer \xff\xfe"),), "TOKEN_UNKNOWN"),
    ],
)
def test_who_is_unauthenticated(token_file: Path, metadata: Any, reason: str) -> None:
    with pytest.raises(StatusError) as caught:
        Authenticator(read_tokens(token_file)).check(metadata, Right.INFO)
    assert caught.value.code == grpc.StatusCode.UNAUTHENTICATED
    assert caught.value.reason == reason
    assert SECRET not in caught.value.message


def test_without_tokens_everyone_has_access() -> None:
    assert Authenticator(None).check((), Right.DETECT) is None


async def test_a_server_with_tokens(
    serve: Serve, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    h = await serve(token_file=token_file)
    missing = await h.converse([config_request()])
    assert missing.failure is not None
    assert missing.failure.code == grpc.StatusCode.UNAUTHENTICATED
    assert missing.failure.reason == "TOKEN_MISSING"
    denied = await h.converse([config_request()], metadata=bearer("other-secret"))
    assert denied.failure is not None
    assert denied.failure.code == grpc.StatusCode.PERMISSION_DENIED
    assert denied.failure.reason == "TOKEN_NOT_ALLOWED"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await h.stub.Detect(pb.DetectRequest())
    assert unpack(caught.value).reason == "TOKEN_MISSING"
    await h.stub.GetServerInfo(pb.GetServerInfoRequest(), metadata=bearer("other-secret"))
    assert (await h.converse([config_request()], metadata=bearer(SECRET))).failure is None
    answer = await health_pb2_grpc.HealthStub(h.channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    logged = "".join(str(vars(record)) for record in caplog.records)
    assert "'token': 'alice'" in logged
    assert SECRET not in logged
    assert "other-secret" not in logged
