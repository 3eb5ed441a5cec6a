import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dfd.cli import _checks
from dfd.cli._checks import Level, Wanted
from dfd.clients.options import Connection
from tests.clients.command import dfd_here
from tests.clients.scripted import Script, ScriptedServer


def wanted(**changes: Any) -> Wanted:
    values: dict[str, Any] = {
        "model": "bundled",
        "device": "cpu",
        "host": "127.0.0.1",
        "ports": {},
        "connection": Connection(server="127.0.0.1:1"),
    }
    return Wanted(**(values | changes))


def certificate(folder: Path, days: int) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=here"]
    words += ["-days", str(days), "-keyout", str(key), "-out", str(cert)]
    try:
        subprocess.run(words, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is missing: apt-get install openssl")
    return cert, key


def test_the_whole_round_with_the_bundled_model() -> None:
    pytest.importorskip("torch", reason="pip install 'dfd[serve]'")
    done = dfd_here("doctor", "--json", "--server", "127.0.0.1:1", "--device", "cpu")
    found = {one["subject"]: one for one in map(json.loads, done.out.splitlines())}
    assert done.status == 0, done.out
    assert found["model"]["level"] == "good"
    assert "a window of 4 s in" in found["model"]["found"]
    assert found["daemon at 127.0.0.1:1"]["found"] == "none answers"
    assert "dfd serve" in found["daemon at 127.0.0.1:1"]["remedy"]
    # whatever is not good says what mends it
    assert all(one["remedy"] for one in found.values() if one["level"] != "good")


def test_a_fault_is_the_exit_status() -> None:
    pytest.importorskip("torch", reason="pip install 'dfd[serve]'")
    done = dfd_here("doctor", "--model", "no/where/at.all", "--server", "127.0.0.1:1")
    assert done.status == 1
    assert "FAULT  model:" in done.out
    assert "-> choose another" in done.out


def test_ports_that_are_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        (found,) = _checks.ports(wanted(ports={"daemon": number}))
    assert (found.level, found.subject) == (Level.NOTE, f"port {number}")
    (found,) = _checks.ports(wanted(ports={"daemon": number}))
    assert found.level is Level.GOOD


async def test_a_daemon_that_answers_and_one_that_refuses() -> None:
    import asyncio

    def look(server: ScriptedServer) -> _checks.Finding:
        (found,) = _checks.server(wanted(connection=Connection(server=server.address)))
        return found

    async with ScriptedServer() as server:
        found = await asyncio.to_thread(look, server)
    assert (found.level, found.found) == (Level.GOOD, "dfd 0.1, scripted, 1 of 8 streams")
    async with ScriptedServer(Script(token="secret")) as server:
        found = await asyncio.to_thread(look, server)
    assert found.level is Level.FAULT
    assert "DFD_TOKEN" in found.remedy


@pytest.mark.parametrize(("days", "level"), [(365, Level.GOOD), (5, Level.NOTE)])
def test_a_certificate_and_its_days(tmp_path: Path, days: int, level: Level) -> None:
    pytest.importorskip("cryptography", reason="pip install 'dfd[jwt]'")
    cert, key = certificate(tmp_path, days)
    (found,) = _checks.certificates(wanted(tls_cert=cert, tls_key=key))
    assert found.level is level
    assert bool(found.remedy) is (level is not Level.GOOD)


def test_a_certificate_of_another_key(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    cert, _ = certificate(tmp_path / "a", 10)
    _, key = certificate(tmp_path / "b", 10)
    (found,) = _checks.certificates(wanted(tls_cert=cert, tls_key=key))
    assert found.level is Level.FAULT
    (found,) = _checks.certificates(wanted(tls_cert=tmp_path / "none", tls_key=key))
    assert found.level is Level.FAULT


def test_limits_are_told() -> None:
    subjects = [finding.subject for finding in _checks.limits(wanted())]
    assert subjects[-1] == "disk"
    assert "memory" in subjects
