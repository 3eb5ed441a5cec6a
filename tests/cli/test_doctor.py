import importlib.util
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dfd.cli.checks import machine, packages, serving
from dfd.cli.checks.finding import Finding, Level, Wanted
from dfd.clients.options import Connection
from tests.clients.command import dfd_here
from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script


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


def test_all_checks_with_the_bundled_model() -> None:
    pytest.importorskip("torch", reason="pip install 'dfd[serve]'")
    done = dfd_here("doctor", "--json", "--server", "127.0.0.1:1", "--device", "cpu")
    found = {one["subject"]: one for one in map(json.loads, done.out.splitlines())}
    assert done.status == 0, done.out
    assert found["model"]["level"] == "good"
    assert "a window of 4 s in" in found["model"]["found"]
    assert found["daemon at 127.0.0.1:1"]["found"] == "none answers"
    assert "dfd serve" in found["daemon at 127.0.0.1:1"]["remedy"]
    # every fault comes with its remedy
    assert all(one["remedy"] for one in found.values() if one["level"] != "good")


def test_a_fault_is_the_exit_status() -> None:
    pytest.importorskip("torch", reason="pip install 'dfd[serve]'")
    done = dfd_here("doctor", "--model", "no/where/at.all", "--server", "127.0.0.1:1")
    assert done.status == 1
    assert "FAULT  model:" in done.out
    assert "-> choose another" in done.out


def test_ports_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        (found,) = serving.ports(wanted(ports={"daemon": number}))
    assert (found.level, found.subject) == (Level.NOTE, f"port {number}")
    (found,) = serving.ports(wanted(ports={"daemon": number}))
    assert found.level is Level.GOOD


async def test_a_daemon_that_answers_and_one_that_refuses() -> None:
    import asyncio

    def look(server: ScriptedServer) -> Finding:
        (found,) = serving.server(wanted(connection=Connection(server=server.address)))
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
    (found,) = serving.certificate(wanted(tls_cert=cert, tls_key=key))
    assert found.level is level
    assert bool(found.remedy) is (level is not Level.GOOD)


def test_a_certificate_of_another_key(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    cert, _ = certificate(tmp_path / "a", 10)
    _, key = certificate(tmp_path / "b", 10)
    (found,) = serving.certificate(wanted(tls_cert=cert, tls_key=key))
    assert found.level is Level.FAULT
    (found,) = serving.certificate(wanted(tls_cert=tmp_path / "none", tls_key=key))
    assert found.level is Level.FAULT


def test_limits_are_reported() -> None:
    subjects = [finding.subject for finding in machine.limits(wanted())]
    assert subjects[-1] == "disk"
    assert "memory" in subjects


def test_an_extra_that_lacks_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "sqlalchemy" else whole(name)
    )
    found = {finding.subject: finding for finding in packages.extras(wanted())}
    assert found["dfd[journal]"].level is Level.NOTE
    assert found["dfd[journal]"].found == "lacks sqlalchemy"
    assert found["dfd[journal]"].remedy == "pip install 'dfd[journal]'"


def test_a_package_of_a_missing_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    extras = {"otel": ("no_such_package.sdk",)}
    monkeypatch.setattr(packages, "_EXTRAS", extras)
    found = {finding.subject: finding for finding in packages.extras(wanted())}
    assert found["dfd[otel]"].found == "lacks no_such_package.sdk"


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (ModuleNotFoundError("weasyprint"), "pip install 'dfd[pdf]'"),
        (OSError("cannot load library 'libpango-1.0-0'"), "apt-get install libpango-1.0-0"),
    ],
)
def test_missing_libraries_for_pdf(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, remedy: str
) -> None:
    class Broken:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "weasyprint":
                raise fault

    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    *_, found = packages.extras(wanted())
    assert (found.subject, found.level) == ("dfd[pdf]", Level.NOTE)
    assert found.remedy.startswith(remedy)
