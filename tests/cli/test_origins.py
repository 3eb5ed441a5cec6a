"""A message names a value as the user gave it, and says where it came from."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from dfd.cli.main import cli
from tests.clients.command import dfd


def said(*words: object, **environment: str) -> str:
    """Returns the single line of the message."""
    done = CliRunner(env=environment).invoke(cli, [str(word) for word in words])
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1
    return done.stderr.rstrip("\n")


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "dfd.toml"


def test_a_wrong_value_of_a_flag() -> None:
    told = said("serve", "--port", "x")
    assert told.startswith("dfd serve: Invalid value for '--port': 'x' is not a valid integer")
    assert told.endswith("see dfd serve --help")


def test_a_wrong_value_of_the_environment() -> None:
    assert "Invalid value for DFD_SERVE_PORT: 'x'" in said("serve", DFD_SERVE_PORT="x")
    told = said("info", DFD_SERVER="nowhere")
    assert told.startswith("dfd info: 'nowhere' is not an address")
    assert told.endswith("(set by DFD_SERVER)")
    told = said("info", DFD_SERVER="127.0.0.1:1")
    assert "no server answers at 127.0.0.1:1" in told
    assert told.endswith("(set by DFD_SERVER)")


@pytest.mark.parametrize("verb", ["serve", "bridge sip"])
def test_a_wrong_value_of_a_file(verb: str, toml: Path) -> None:
    name = "port" if verb == "serve" else "max_calls"
    toml.write_text(f'{name} = "x"\n')
    told = said(*verb.split(), "--config", toml)
    assert f"Invalid value for {name} in {toml}: 'x'" in told
    toml.write_text("model_ = 3\n")
    told = said(*verb.split(), "--config", toml)
    assert f"{toml}: unknown key model_; did you mean model?" in told


def test_an_impossible_value_of_a_file(toml: Path) -> None:
    toml.write_text("deadline_seconds = 0\n")
    told = said("serve", "--config", toml)
    assert told == (
        f"dfd serve: deadline seconds is 0.0; use more than 0 (set by deadline_seconds in {toml})"
    )
    # the command line takes precedence, and the file is not blamed
    told = said("serve", "--config", toml, "--deadline-seconds", "-1")
    assert "set by" not in told


def test_a_file_named_in_a_file(toml: Path) -> None:
    toml.write_text('token_file = "/no/such.tokens"\nport = 0\nlog_level = "error"\n')
    done = asyncio.run(dfd("serve", "--config", toml, "--no-metrics", "--model", "noop"))
    assert done.is_one_line(), done
    assert "cannot read the token file /no/such.tokens" in done.err
    assert done.err.endswith(f"(set by token_file in {toml})\n")


def test_a_token_file_of_a_bridge(toml: Path) -> None:
    toml.write_text('token_file = "/no/such.token"\n')
    told = said("bridge", "audiosocket", "--config", toml)
    assert told.endswith(f"(set by token_file in {toml})")
