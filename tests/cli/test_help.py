"""Help texts have two examples for each command, which run, and a page to read next."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile

from dfd.cli.main import cli
from tests.clients.command import dfd_here
from tests.e2e.conftest import ROOT


def verbs(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert command is not None
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, word))
        else:
            yield " ".join((*path, word)), command


VERBS = dict(verbs(cli))
EXAMPLES = [line for command in VERBS.values() for line in getattr(command, "examples", ())]


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_has_examples_and_a_page_to_read_next(name: str) -> None:
    lines = dfd_here(*name.split(), "--help").out.splitlines()
    start = lines.index("Examples:")
    assert start < lines.index("Options:")
    for line in lines[start + 1 : start + 3]:
        assert line.startswith(f"  dfd {name}")
    assert "See also:" in " ".join(lines[-3:])
    pages = re.findall(r"[\w/-]+\.md", " ".join(lines[-3:]))
    assert pages
    for page in pages:
        assert (ROOT / page).is_file(), page


@pytest.mark.parametrize("name", VERBS)
def test_every_option_is_described(name: str) -> None:
    for parameter in VERBS[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts


@pytest.mark.parametrize("name", VERBS)
def test_options_mean_one_thing(name: str) -> None:
    for parameter in VERBS[name].params:
        for flag in parameter.opts:
            assert not flag.endswith(("-ms", "-minutes")), f"{flag}: times are in seconds"
            if flag == "--json":
                assert isinstance(parameter, click.Option)
                assert parameter.is_flag
            if flag in ("--window", "--hop", "--min-speech"):
                pytest.fail(f"{flag}: the unit is in the name")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("serv",), "dfd: there is no command 'serv': did you mean serve?"),
        (("bridge", "rpt"), "dfd bridge: there is no command 'rpt': did you mean rtp?"),
        (("fly",), "dfd: there is no command 'fly': choose from: serve, listen"),
        (("replay", "--sped", "1", "a.wav"), "--speed"),
        (("detect",), "dfd detect: Missing argument"),
    ],
)
def test_a_near_miss_gets_a_suggestion(words: tuple[str, ...], said: str) -> None:
    done = dfd_here(*words)
    assert done.is_one_line()
    assert said in done.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the examples name."""
    rng = np.random.default_rng(5)
    (tmp_path / "audio").mkdir()
    rows = ["file\tlabel"]
    for number in range(8):
        name = f"{number}.wav"
        soundfile.write(tmp_path / "audio" / name, rng.normal(0, 0.1, 16000), 16000)
        rows.append(f"{name}\t{'spoof' if number % 2 else 'bonafide'}")
    (tmp_path / "trials.tsv").write_text("\n".join(rows) + "\n")
    shutil.copy(tmp_path / "audio" / "0.wav", tmp_path / "call.wav")
    return tmp_path


def test_every_example_is_understood(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All options are parsed; test_examples.py runs the examples."""
    monkeypatch.chdir(folder)
    for name in ("corpus", "people", "machines", "calls/people"):
        Path(name).mkdir(parents=True)
    for line in EXAMPLES:
        words = shlex.split(line.partition(" | ")[0])[1:]
        count = 1 if words[0] in VERBS else 2
        name = " ".join(words[:count])
        VERBS[name].make_context(name, words[count:])
