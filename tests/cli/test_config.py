from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dfd.cli._config import config_option


@click.command()
@config_option
@click.option("--max-calls", type=int, default=1)
@click.option("--on-alert", "on_alerts", multiple=True)
@click.option("--srtp-only", is_flag=True)
def verb(max_calls: int, on_alerts: tuple[str, ...], srtp_only: bool) -> None:
    click.echo(f"{max_calls} {list(on_alerts)} {srtp_only}")


def said(text: str, folder: Path, *words: str) -> str:
    file = folder / "bridge.toml"
    file.write_text(text)
    return CliRunner().invoke(verb, ["--config", str(file), *words]).output


def test_a_file_sets_options_and_the_command_line_wins(tmp_path: Path) -> None:
    text = 'max_calls = 7\non_alert = ["a", "b"]\nsrtp_only = true\n'
    assert said(text, tmp_path) == "7 ['a', 'b'] True\n"
    assert said(text, tmp_path, "--max-calls", "9", "--on-alert", "c") == "9 ['c'] True\n"
    assert said('on_alert = "a"', tmp_path) == "1 ['a'] False\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_call = 7", "unknown key max_call; did you mean max_calls?"),
        ("config = 'x'", "unknown key config; the keys are max_calls, on_alert, srtp_only"),
        ("max_calls = [7]", "max_calls must be a plain value"),
        ("[max_calls]\na = 1", "max_calls must be a plain value"),
        ("max_calls = 'many'", "'many' is not a valid integer"),
        ("max_calls = ", "is not TOML"),
    ],
)
def test_a_mistake_in_a_file(text: str, words: str, tmp_path: Path) -> None:
    assert words in said(text, tmp_path)


def test_a_missing_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(verb, ["--config", str(tmp_path / "none.toml")])
    assert "cannot read the configuration" in done.output
    assert done.exit_code == 2
