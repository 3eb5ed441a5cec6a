import shutil
import subprocess
from pathlib import Path

import grpc
import grpc.aio
import pytest

from dfd.daemon.endpoint.tls import ServerTls
from dfd.errors import UserError
from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.daemon.harness import Serve

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None,
    reason="nothing to make certificates with: apt-get install openssl",
)


def certify(folder: Path, name: str) -> tuple[Path, Path]:
    """Makes a self-signed certificate for this machine."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN={name} -addext subjectAltName=IP:127.0.0.1,DNS:localhost"
    )
    subprocess.run(
        [*command.split(), "-keyout", key, "-out", cert], check=True, capture_output=True
    )
    return cert, key


@needs_openssl
async def test_tls(serve: Serve, tmp_path: Path) -> None:
    cert, key = certify(tmp_path, "server")
    h = await serve(tls_cert=cert, tls_key=key)
    credentials = grpc.ssl_channel_credentials(cert.read_bytes())
    async with grpc.aio.secure_channel(f"127.0.0.1:{h.server.port}", credentials) as channel:
        info = await DetectionServiceStub(channel).GetServerInfo(pb.GetServerInfoRequest())
    assert info.models[0].name == "fake"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await h.stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=20)  # no TLS
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


@needs_openssl
async def test_mutual_tls(serve: Serve, tmp_path: Path) -> None:
    cert, key = certify(tmp_path, "server")
    client_cert, client_key = certify(tmp_path, "client")
    h = await serve(tls_cert=cert, tls_key=key, tls_client_ca=client_cert)
    known = grpc.ssl_channel_credentials(
        cert.read_bytes(), client_key.read_bytes(), client_cert.read_bytes()
    )
    stranger = grpc.ssl_channel_credentials(cert.read_bytes())
    async with grpc.aio.secure_channel(f"127.0.0.1:{h.server.port}", known) as channel:
        await DetectionServiceStub(channel).GetServerInfo(pb.GetServerInfoRequest())
    async with grpc.aio.secure_channel(f"127.0.0.1:{h.server.port}", stranger) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await DetectionServiceStub(channel).GetServerInfo(pb.GetServerInfoRequest(), timeout=20)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


@needs_openssl
def test_wrong_files(tmp_path: Path) -> None:
    cert, key = certify(tmp_path, "one")
    _, other = certify(tmp_path, "two")
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    encrypted = tmp_path / "encrypted.key"
    subprocess.run(
        ["openssl", "ec", "-aes256", "-passout", "pass:abcd", "-in", key, "-out", encrypted],
        check=True,
        capture_output=True,
    )
    for wrong in ((cert, other), (text, key), (cert, text), (cert, encrypted)):
        with pytest.raises(UserError, match="not a certificate and its unencrypted key"):
            ServerTls(*wrong)
    with pytest.raises(UserError, match="contains no PEM certificate"):
        ServerTls(cert, key, text)
    with pytest.raises(UserError, match=r"cannot read the TLS key .*: No such file"):
        ServerTls(cert, tmp_path / "none")
