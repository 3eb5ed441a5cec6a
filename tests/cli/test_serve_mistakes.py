"""Mistakes in the options of `dfd serve`: one line, and status 2."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.cli.serving import COMMAND

pytestmark = pytest.mark.slow


def one_line(*arguments: str) -> str:
    """Returns the single line of the message."""
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "70000 is not in the range"),
        (["--port", "x"], "'x' is not a valid"),
        (["--colour"], "No such option"),
        (["extra"], "unexpected extra argument"),
        (["--workers", "65"], "65 is not in the range"),
        (["--device", "cpu,"], "name one, or several as cuda:0,cuda:1"),
        (["--deadline-seconds", "0"], "deadline seconds is 0.0; use more than 0"),
        (["--tls-cert", "x"], "give --tls-cert and --tls-key"),
        (["--config", "/no/such.toml"], "cannot read the configuration /no/such.toml: No such"),
        (["--config", "{tmp}/unknown.toml"], "unknown key colour"),
        (["--config", "{tmp}/broken.toml"], "is not TOML"),
        (["--config", "{tmp}/nested.toml"], "port must be a plain value"),
        (["--config", "{tmp}/wrong.toml"], "'x' is not a valid"),
    ],
)
def test_wrong_options_are_reported_in_one_line(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "unknown.toml").write_text("colour = 3")
    (tmp_path / "broken.toml").write_text("port = ")
    (tmp_path / "nested.toml").write_text("[port]\nx = 3")
    (tmp_path / "wrong.toml").write_text('port = "x"')
    told = one_line(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert told.startswith("dfd serve: ")
    assert message in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "{taken}"], "Address already in use; choose another --host or --port"),
        (["--metrics-port", "{taken}"], "cannot serve metrics on 127.0.0.1"),
        (["--token-file", "/no/such.toml"], "cannot read the token file /no/such.toml"),
        (["--token-file", "/no/such.toml", "--workers", "2"], "cannot read the token file"),
        (["--port", "{taken}", "--workers", "2"], "Address already in use; choose another"),
        (["--tls-cert", "/no/a.pem", "--tls-key", "/no/a.key"], "cannot read the TLS certificate"),
        (["--model", "/no/such/model", "--device", "cpu"], "/no/such/model"),
        (["--model", "{model}", "--device", "toaster"], "toaster"),
    ],
)
def test_mistakes_are_one_line(model: Path, arguments: list[str], message: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        values = {"taken": taken.getsockname()[1], "model": model}
        filled = [argument.format(**values) for argument in arguments]
        free = [] if "--port" in filled else ["--port", "0"]
        quiet = [] if "--metrics-port" in filled else ["--no-metrics"]
        told = one_line("--log-level", "error", *free, *quiet, *filled)
    assert told.startswith("dfd serve: ")
    assert message in told
    assert told.count("\n") == 1
    assert "Traceback" not in told
