"""The commands on all pages, of deploy/**/README.md too, exist with the options that are shown."""

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dfd.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "deploy").rglob("README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
# what a page leaves to its reader
_ELLIPSIS = {"...", "…", "[...]"}
_NOT_COMMANDS = ("dfd ready on ", "dfd COMMAND ")
_END = re.compile(r"\s#|\s\|\s|&&|\s>\s|;\s| & | &$")


def commands(page: Path) -> Iterator[str]:
    """Yields what a page shows as a command: lines of blocks, and words in backquotes."""
    text = page.read_text().replace("\\\n", " ")
    blocks = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.S | re.M)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"^    (\S.*)$", text, re.M)
    lines += re.findall(r"`((?:dfd|python -m dfd\.)[^`]*)`", text.replace("\n", " "))
    for line in lines:
        line = _END.split(line.strip().removeprefix("$ "))[0].strip()
        if not line.startswith(_NOT_COMMANDS):
            yield line


def of(start: str) -> list[str]:
    return sorted({line for page in PAGES for line in commands(page) if line.startswith(start)})


def options(command: click.Command) -> set[str]:
    return {"--help"} | {
        name for one in command.params for name in (*one.opts, *one.secondary_opts)
    }


@pytest.mark.parametrize("line", of("dfd "))
def test_a_command_of_dfd_and_its_options_exist(line: str) -> None:
    words = [word for word in shlex.split(line)[1:] if word not in _ELLIPSIS]
    command: click.Command = cli
    context = click.Context(cli, info_name="dfd")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no {words[0]} in {line!r}"
        command, words = found, words[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    for word in words:
        if word.startswith("--") and word != "--":
            assert word.partition("=")[0] in options(command), f"{word} in {line!r}"


@pytest.mark.parametrize("line", of("python -m dfd."))
def test_a_module_that_is_run_exists(line: str) -> None:
    assert importlib.util.find_spec(shlex.split(line)[2]) is not None


@pytest.mark.parametrize("line", [one for one in of("ray ") if "start" in one])
def test_options_of_ray_exist(line: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'dfd[ray]'")
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--help"]
    helped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for word in shlex.split(line):
        if word.startswith("--"):
            assert word.partition("=")[0] in helped
