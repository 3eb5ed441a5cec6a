"""Access is controlled by files that may change while the daemon runs."""

import contextlib
import datetime
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.rpc import error_details_pb2, status_pb2

from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.chaos.daemon import Daemon, audio, config, judged

INFO = pb.GetServerInfoRequest()


def bearer(secret: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {secret}")]


def reason(call: Callable[[], Any]) -> str:
    """Returns why a call is refused; empty if it is not."""
    try:
        call()
    except grpc.RpcError as error:
        call_error: Any = error
        trailers = dict(call_error.trailing_metadata())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        info = error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(info)
        return str(info.reason)
    return ""


def entry(name: str, secret: str, more: str = "") -> str:
    return (
        f'[[tokens]]\nname = "{name}"\n'
        f'sha256 = "{hashlib.sha256(secret.encode()).hexdigest()}"\n{more}\n'
    )


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_tokens_are_reread_at_sighup_and_a_wrong_file_changes_nothing(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(entry("a", "first"))
    options = ("--token-file", str(tokens), "--reload-seconds", "0", *more)
    with Daemon(*options) as daemon, daemon.stub() as stub:

        def ask(secret: str) -> str:
            return reason(lambda: stub.GetServerInfo(INFO, metadata=bearer(secret)))

        assert (ask("first"), ask("second")) == ("", "TOKEN_UNKNOWN")
        tokens.write_text("not TOML [")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until_logged("not reread, keeping.*why=.*TOML")
        assert ask("first") == ""
        tokens.write_text(entry("a", "second"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until(lambda: ask("second") == "")
        assert ask("first") == "TOKEN_UNKNOWN"


def test_a_changed_file_is_noticed_without_a_signal(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(entry("a", "first"))
    options = ("--token-file", str(tokens), "--reload-seconds", "0.1")
    with Daemon(*options) as daemon, daemon.stub() as stub:
        tokens.write_text(entry("a", "second") + entry("b", "third"))
        daemon.until_logged("tokens, keys and certificates reread")
        assert reason(lambda: stub.GetServerInfo(INFO, metadata=bearer("third"))) == ""


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_a_token_has_its_limits(tmp_path: Path, more: tuple[str, ...]) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        entry("one", "one", "streams = 1")
        + entry("short", "short", "minutes = 0.05")
        + entry("other", "other", 'models = ["another"]')
    )
    with Daemon("--token-file", str(tokens), *more) as daemon, daemon.stub() as stub:

        def stream(secret: str) -> str:
            return reason(lambda: judged(daemon, metadata=bearer(secret)))

        def hold() -> Any:
            yield config()
            while True:
                time.sleep(0.05)  # in real time, until cancelled
                yield audio(0.05)

        held = stub.StreamingDetect(hold(), metadata=bearer("one"))
        assert next(held).HasField("started")
        # each has its own connection, which any worker may accept
        assert {stream("one") for _ in range(6)} == {"TOKEN_FULL"}
        held.cancel()
        daemon.until(lambda: stream("one") == "")
        assert stream("short") == ""
        assert {stream("short") for _ in range(6)} == {"TOKEN_SPENT"}
        assert stream("other") == "MODEL_NOT_ALLOWED"


def certificate(folder: Path, name: str) -> x509.Certificate:
    """Writes a self-signed certificate and its key, replacing existing ones."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return made


def test_new_connections_get_a_renewed_certificate_and_old_ones_continue(
    tmp_path: Path,
) -> None:
    def trusting(made: x509.Certificate) -> grpc.Channel:
        pem = made.public_bytes(serialization.Encoding.PEM)
        return grpc.secure_channel(
            f"localhost:{daemon.port}",
            grpc.ssl_channel_credentials(pem),
            [("grpc.use_local_subchannel_pool", 1)],
        )

    first = certificate(tmp_path, "first")
    options = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    with Daemon(*options, "--reload-seconds", "0") as daemon, trusting(first) as old:
        DetectionServiceStub(old).GetServerInfo(INFO, timeout=20)
        (tmp_path / "key.pem").write_text("not a key")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until_logged("not reread, keeping")
        with trusting(first) as still:
            DetectionServiceStub(still).GetServerInfo(INFO, timeout=20)
        second = certificate(tmp_path, "second")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until_logged("tokens, keys and certificates reread")
        with trusting(second) as new:
            DetectionServiceStub(new).GetServerInfo(INFO, timeout=20)
        DetectionServiceStub(old).GetServerInfo(INFO, timeout=20)


def test_signed_tokens(tmp_path: Path) -> None:
    key, stranger = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [public | {"kid": "k1", "alg": "ES256"}]}))
    options = ("--jwt-keys", str(keys), "--jwt-issuer", "https://id", "--jwt-audience", "dfd")
    good = {"iss": "https://id", "aud": "dfd", "sub": "pbx", "exp": time.time() + 600}

    with Daemon(*options) as daemon, daemon.stub() as stub:

        def info(claims: dict[str, Any], by: Any = key, **header: Any) -> str:
            secret = jwt.encode(claims, by, "ES256", headers={"kid": "k1"} | header)
            return reason(lambda: stub.GetServerInfo(INFO, metadata=bearer(secret)))

        assert info(good) == ""
        assert info(good | {"scope": "openid dfd:detect"}) == "TOKEN_NOT_ALLOWED"
        for wrong in ({"iss": "https://other"}, {"aud": "other"}, {"exp": time.time() - 600}):
            assert info(good | wrong) == "TOKEN_UNKNOWN"
        assert info({k: v for k, v in good.items() if k != "exp"}) == "TOKEN_UNKNOWN"
        assert info(good, by=stranger) == "TOKEN_UNKNOWN"
        assert info(good, kid="k2") == "TOKEN_UNKNOWN"
        unsigned = jwt.encode(good, "", "none", headers={"kid": "k1"})
        assert reason(lambda: stub.GetServerInfo(INFO, metadata=bearer(unsigned)))
        assert reason(lambda: judged(daemon)) == "TOKEN_MISSING"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0"], "without TLS .* without tokens .*--allow-open"),
        (["--host", "::", "--workers", "2"], "without TLS .* without tokens"),
        (["--jwt-keys", "keys.json"], "needs --jwt-issuer"),
    ],
)
def test_it_does_not_start_without_access_control(options: list[str], words: str) -> None:
    command = [sys.executable, "-m", "dfd", "serve", "--model", "noop", "--port", "0"]
    ended = subprocess.run(
        [*command, "--no-metrics", *options],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ,
        check=False,
    )
    assert ended.returncode == 2
    assert re.search(words, ended.stderr)
    assert "Traceback" not in ended.stderr


def test_disabled_services_do_not_exist() -> None:
    with (
        Daemon("--no-reflection", "--no-health") as daemon,
        grpc.insecure_channel(daemon.address) as channel,
    ):
        for path in (
            "/grpc.health.v1.Health/Check",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ):
            method: Any = channel.unary_unary(path)
            with pytest.raises(grpc.RpcError) as caught:
                method(b"", timeout=20)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert judged(daemon)[-1].HasField("summary")


def own_address() -> str:
    """Returns an address of this machine other than loopback, without sending anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(one.getsockname()[0])


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_one_address_cannot_take_all_slots(more: tuple[str, ...]) -> None:
    host = own_address()
    limits = ("--host", "0.0.0.0", "--allow-open", "--max-streams-per-peer", "2")
    # each has its own connection, which any worker may accept
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    with Daemon(*limits, *more) as daemon, contextlib.ExitStack() as stack:

        def open_stream() -> Any:
            channel = grpc.insecure_channel(f"{host}:{daemon.port}", options)
            stack.callback(channel.close)

            def hold() -> Any:
                yield config()
                while not over.wait(0.05):
                    yield audio(0.05)

            call = DetectionServiceStub(channel).StreamingDetect(hold())
            assert next(call).HasField("started")
            return call

        over = threading.Event()
        stack.callback(over.set)
        held = [open_stream(), open_stream()]
        assert {reason(open_stream) for _ in range(6)} == {"PEER_FULL"}
        held[0].cancel()
        daemon.until(lambda: reason(open_stream) == "")
        assert judged(daemon)[-1].HasField("summary")  # loopback counts as another address


def test_an_open_metrics_page_is_reported() -> None:
    with Daemon("--metrics-host", "0.0.0.0") as daemon:
        daemon.until_logged("metrics page.*host=0.0.0.0")
