"""Debian's nginx and HAProxy with the shipped configurations, in front of a real daemon."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Issued, issue

DEPLOY = Path(__file__).parents[2] / "deploy"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def command(name: str) -> str:
    # Debian installs them outside a user's path
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(
            f"{name} is missing: apt-get install {'nginx-light' if name == 'nginx' else name}"
        )
    return found


def nginx(folder: Path, certificate: Issued, port: int, daemon: int) -> list[str]:
    """Writes the shipped server with a minimal nginx configuration; returns the command."""
    text = (DEPLOY / "nginx" / "dfd.conf").read_text()
    text = text.replace("/etc/dfd/cert.pem", str(certificate.cert_path))
    text = text.replace("/etc/dfd/key.pem", str(certificate.key_path))
    text = text.replace("127.0.0.1:50051", f"127.0.0.1:{daemon}")
    text = text.replace(" 443 ssl", f" 127.0.0.1:{port} ssl").replace("[::]:443", f"[::1]:{port}")
    (folder / "dfd.conf").write_text(text)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr warn; worker_processes 1;\n"
        "events { worker_connections 512; }\n"
        "http { access_log off;\n"
        + "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f"include {folder}/dfd.conf; }}\n"
    )
    return [command("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]


def haproxy(
    folder: Path, certificate: Issued, port: int, daemon: int, metrics: int = 9464
) -> list[str]:
    """Writes the shipped file with other ports; returns the command."""
    text = (DEPLOY / "haproxy" / "haproxy.cfg").read_text()
    both = certificate.cert_path.read_text() + certificate.key_path.read_text()
    (folder / "haproxy.pem").write_text(both)
    text = text.replace("/etc/dfd/haproxy.pem", str(folder / "haproxy.pem"))
    text = text.replace("127.0.0.1:50051", f"127.0.0.1:{daemon}")
    text = text.replace("port 9464", f"port {metrics}").replace("inter 2s", "inter 100ms")
    text = text.replace("bind :443", f"bind 127.0.0.1:{port}")
    text = text.replace("bind :::443 v6only", f"bind ::1:{port}")
    (folder / "haproxy.cfg").write_text(text)
    return [command("haproxy"), "-f", str(folder / "haproxy.cfg")]


@contextlib.contextmanager
def in_front(
    name: str, folder: Path, daemon: int, metrics: int
) -> Iterator[tuple[int, Issued, subprocess.Popen[bytes]]]:
    """Runs a proxy until the test is over; yields its port and its certificate."""
    certificate, port = issue(folder, "proxy"), free_port()
    if name == "nginx":
        words = nginx(folder, certificate, port, daemon)
    else:
        words = haproxy(folder, certificate, port, daemon, metrics)
    process = subprocess.Popen(words, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        end = time.monotonic() + 20.0
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                break
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.02)  # neither proxy says when it listens
        yield port, certificate, process
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()


def seconds(text: str, name: str) -> float:
    """Returns a time from a configuration."""
    found = re.search(rf"^\s*{name}\s+(\d+)(s|m|h)\b", text, re.MULTILINE)
    assert found is not None, name
    return float(found[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0}[found[2]]
