"""Nodes of a Ray cluster, several on one machine, each with processes of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.chaos.daemon import Daemon
from tests.deploy.proxies import free_port

ATTEMPTS = 3


class NotStartedError(Exception):
    """A node did not start within Ray's own time, fifteen seconds for its agent."""


class Cluster:
    """A head, which runs replicas if it has processors, and other nodes.

    Args:
        folder: for logs.
        cpus: of the head.
    """

    def __init__(self, folder: Path, cpus: int) -> None:
        self._folder = folder
        self._temporary: list[str] = []
        self.nodes: list[subprocess.Popen[bytes]] = []
        quick = folder / "quick"
        quick.mkdir()
        # jsonschema would import a grammar that takes seconds, and Ray's agent has fifteen
        (quick / "rfc3987_syntax.py").write_text("raise ImportError\n")
        self.environment = {
            "PYTHONPATH": f"{quick}:{os.environ.get('PYTHONPATH', '')}",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",
        }
        for _ in range(ATTEMPTS):
            self.port = free_port()
            temporary = f"/tmp/dfd-ray-{self.port}"
            self._temporary.append(temporary)
            with contextlib.suppress(NotStartedError):
                self.start_head(cpus)
                self.environment["RAY_ADDRESS"] = f"127.0.0.1:{self.port}"
                return
        self.close()
        raise NotStartedError

    def start_head(self, cpus: int) -> subprocess.Popen[bytes]:
        """Starts the head, or another in place of one that was killed."""
        return self._start(
            *("--head", f"--port={self.port}", "--include-dashboard=false"),
            *(f"--temp-dir=/tmp/dfd-ray-{self.port}", f"--num-cpus={cpus}"),
        )

    def add(self, cpus: int) -> subprocess.Popen[bytes]:
        """Starts another node."""
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(NotStartedError):
                return self._start(f"--address=127.0.0.1:{self.port}", f"--num-cpus={cpus}")
        return self._start(f"--address=127.0.0.1:{self.port}", f"--num-cpus={cpus}")

    def _start(self, *how: str) -> subprocess.Popen[bytes]:
        log = self._folder / f"log-{len(list(self._folder.glob('log-*')))}"
        with log.open("w") as file:
            node = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *how),
                    "--object-store-memory=200000000",
                ],
                stdout=file,
                stderr=file,
                env=os.environ | self.environment,
                start_new_session=True,
            )
        for _ in range(1000):
            if "Ray runtime started" in log.read_text():
                self.nodes.append(node)
                return node
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.wait(0.1)
                break
        _end(node, signal.SIGKILL)
        raise NotStartedError(log.read_text())

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """Kills a node with all that it has started, as if its machine were gone."""
        _end(node, signal.SIGKILL)
        self.nodes.remove(node)

    def replicas(self, node: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """Processes of the engine on a node."""
        found = []
        for one in psutil.Process(node.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "ServeReplica:dfd:Engine" in " ".join(one.cmdline()):
                    found.append(one)
        return found

    def close(self) -> None:
        """Ends all nodes."""
        for node in reversed(self.nodes):
            _end(node, signal.SIGTERM)
        self.nodes.clear()
        for temporary in self._temporary:
            shutil.rmtree(temporary, ignore_errors=True)


_TOO_SLOW = "Ray's node does not start within its own time limit: run this on an idle machine"


def running(folder: Path, cpus: int, nodes: int = 0) -> Iterator[Cluster]:
    """A head with so many processors, and further nodes with one each; for fixtures."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'dfd[ray]'")
    try:
        made = Cluster(folder, cpus)
    except NotStartedError:
        pytest.skip(_TOO_SLOW)
    try:
        for _ in range(nodes):
            made.add(cpus=1)
        yield made
    except NotStartedError:
        pytest.skip(_TOO_SLOW)
    finally:
        made.close()


def scores_for(daemon: Daemon, replica: psutil.Process) -> bool:
    """Returns whether a daemon sends its windows to this replica."""
    ours = {
        one.laddr.port for one in psutil.Process(daemon.process.pid).net_connections() if one.raddr
    }
    return any(one.raddr.port in ours for one in replica.net_connections() if one.raddr)


def _end(node: subprocess.Popen[bytes], how: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(node.pid).children(recursive=True)
        for one in [psutil.Process(node.pid), *(family if how is signal.SIGKILL else [])]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(how)
        _, alive = psutil.wait_procs(family, 10)
        for one in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    with contextlib.suppress(ProcessLookupError):
        node.kill()
    node.wait()
