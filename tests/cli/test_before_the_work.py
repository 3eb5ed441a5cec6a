"""Mistakes that can be found before the work are reported before it, without leftovers."""

import asyncio
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.clients.command import dfd, dfd_here
from tests.clients.scripted import ScriptedServer
from tests.tiny_corpus import make_corpus


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    soundfile.write("call.wav", np.random.default_rng(1).normal(0, 0.1, 16000), 16000)
    (tmp_path / "m.tsv").write_text("file\tlabel\ncall.wav\tspoof\na-file\tbonafide\n")
    (tmp_path / "a-file").write_text("")
    return tmp_path


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# a mistake, and the message
MISTAKES = [
    ("replay --plot x.docx call.wav", "must end in .png"),
    ("replay --plot no/x.png call.wav", "there is no folder no"),
    ("replay --events no/e.jsonl call.wav", "there is no folder no"),
    ("listen --events no/e.jsonl", "there is no folder no"),
    ("bridge rtp --events no/e.jsonl", "there is no folder no"),
    ("evaluate --manifest m.tsv --audio-root . --html no/r.html", "there is no folder no"),
    ("evaluate --manifest m.tsv --audio-root . --html r.docx", "must end in .html"),
    ("evaluate --manifest m.tsv --audio-root . --model nowhere", "no model folder or file nowhere"),
    ("report call.wav --output no/r.html", "there is no folder no"),
    ("bench core --plot no/x.png", "there is no folder no"),
    ("calibrate --people no --model m", "'no' does not exist"),
    ("detect --device cuda:99 call.wav", "cuda:99 was requested"),
    ("detect --device toaster call.wav", '"toaster" is not a device'),
    ("detect --model nowhere call.wav", "no model folder or file nowhere"),
    ("serve --device toaster --port 0", '"toaster" is not a device'),
    ("serve --device cuda:99 --port 0", "cuda:99 was requested"),
    ("serve --device cuda:98,cuda:99 --port 0", "cuda:98 was requested"),
    ("serve --workers 2 --device cuda:99 --port 0", "cuda:99 was requested"),
    ("serve --model nowhere --port 0", "no model folder or file nowhere"),
    ("serve --evidence-clips a-file/clips --port 0", "is a file"),
    ("train --corpus .", "has no manifest.tsv"),
    ("train --corpus . --recipe top4-mlp", "has no manifest.tsv"),
    ("train --corpus . --recipe nothing", "no recipe 'nothing'"),
]


@pytest.mark.parametrize(("line", "said"), MISTAKES)
def test_a_mistake_is_reported_before_the_work_starts(line: str, said: str, folder: Path) -> None:
    before = left(folder)
    done = dfd_here(*line.split())
    assert done.is_one_line(), done
    assert said in done.err
    verb = " ".join(line.split()[: 2 if line.startswith(("bridge", "bench")) else 1])
    # one form for every command, training included
    assert done.err.startswith(f"dfd {verb}: ")
    assert "Error" not in done.err
    assert left(folder) == before


Usage = namedtuple("Usage", "total used free")

FULL = [
    "replay --report r.json call.wav",
    "replay --plot r.png call.wav",
    "replay --events e.jsonl call.wav",
    "listen --events e.jsonl",
    "bridge sip --events e.jsonl",
    "evaluate --manifest m.tsv --audio-root . --html r.html",
    "evaluate --manifest m.tsv --audio-root . --scores-out s.txt",
    "report call.wav --output r.html",
    "bench core --report r.json",
    "calibrate --people call.wav --model a-file --card card.json",
    "calibrate --people call.wav --model a-file",
    "serve --journal calls.sqlite --port 0",
    "serve --evidence-clips clips --port 0",
    "train --corpus corpus",
]


@pytest.mark.parametrize("line", FULL)
def test_a_full_disk_is_reported_before_the_work_starts(
    line: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test cannot fill a disk, so the system's answer is simulated."""
    (folder / "corpus").mkdir()
    (folder / "corpus" / "manifest.tsv").write_text("file\tlabel\tsplit\n")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 30, (1 << 30) - 1000, 1000))
    before = left(folder)
    done = dfd_here(*line.split())
    assert done.is_one_line(), done
    assert "has 0 MiB left" in done.err
    assert "make room, or choose another place" in done.err
    assert left(folder) == before


def test_a_missing_tool_of_the_recipe_is_reported_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    corpus.mkdir()
    make_corpus(corpus)
    monkeypatch.setitem(sys.modules, "pyworld", None)
    done = dfd_here("train", "--corpus", corpus, "--out", out, "--no-tensorboard")
    assert done.is_one_line(), done
    assert "pip install 'dfd[world]'" in done.err
    rendered = [path for path in tmp_path.rglob("*") if "cache" in path.parts]
    assert rendered == []


def test_a_model_that_the_server_does_not_have(folder: Path) -> None:
    async def ask() -> tuple[list[str], int]:
        async with ScriptedServer() as server:
            done = await dfd("replay", "call.wav", "--server", server.address, "--model", "other")
            assert done.is_one_line(), done
            assert done.out == ""
            return done.err.splitlines(), len(server.connections)

    (line,), streams = asyncio.run(ask())
    assert line.endswith("has no model 'other': choose from scripted")
    assert streams == 0
