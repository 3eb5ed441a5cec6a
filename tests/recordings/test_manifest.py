import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.recordings import read_manifest
from tests.clients.command import dfd, dfd_here
from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script
from tests.recordings import signed

needs_c2pa = pytest.mark.skipif(not signed.INSTALLED, reason=signed.REASON)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 16_000), 16_000)
    return path


@needs_c2pa
@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
def test_a_signed_recording_says_that_a_machine_made_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"call.{kind}"
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 16_000), 16_000)
    found = read_manifest(signed.sign(path, tmp_path / f"signed.{kind}"))
    assert found is not None
    assert found.generator == "Example TTS 1.0"
    assert found.signer == "Test Signer, Example Voices"
    assert (found.sources, found.synthetic) == (("trainedAlgorithmicMedia",), True)
    assert found.problems == ()
    assert str(found) == (
        "C2PA manifest by Example TTS 1.0, signed by Test Signer, Example Voices (not checked who"
        " that is): says that a machine made it"
    )


@needs_c2pa
def test_a_microphone_is_not_a_machine(plain: Path, tmp_path: Path) -> None:
    found = read_manifest(signed.sign(plain, tmp_path / "signed.wav", signed.MICROPHONE))
    assert found is not None
    assert (found.sources, found.synthetic) == (("digitalCapture",), False)
    assert "says nothing of a machine" in str(found)


@needs_c2pa
def test_a_recording_that_was_changed_after_it_was_signed(plain: Path, tmp_path: Path) -> None:
    path = signed.sign(plain, tmp_path / "signed.wav")
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    found = read_manifest(path)
    assert found is not None
    assert found.problems == ("assertion.dataHash.mismatch",)
    assert "does not hold: assertion.dataHash.mismatch" in str(found)


@needs_c2pa
def test_text_from_the_file_is_made_printable(plain: Path, tmp_path: Path) -> None:
    path = signed.sign(plain, tmp_path / "signed.wav", program="\x1b[31mTTS\n" + "x" * 500)
    found = read_manifest(path)
    assert found is not None
    assert found.generator.startswith("?[31mTTS x")
    assert len(found.generator) == 200


def test_a_file_without_a_manifest_reports_nothing(plain: Path, tmp_path: Path) -> None:
    assert read_manifest(plain) is None
    other = tmp_path / "call.ogg"
    soundfile.write(other, np.zeros(16_000), 16_000)
    assert read_manifest(other) is None
    assert read_manifest(tmp_path / "gone.wav") is None


def test_without_the_package_nothing_is_read(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert read_manifest(plain) is None


@needs_c2pa
def test_detect_shows_it_in_its_table_and_in_json(plain: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="pip install 'dfd[serve]'")
    path = signed.sign(plain, tmp_path / "signed.wav")
    done = dfd_here("detect", "--json", path, plain)
    with_one, without = map(json.loads, done.out.splitlines())
    assert with_one["c2pa"]["generator"] == "Example TTS 1.0"
    assert with_one["c2pa"]["synthetic"] is True
    assert without["c2pa"] is None
    shown = dfd_here("detect", path)
    assert f"{path}: C2PA manifest by Example TTS 1.0" in shown.out


@needs_c2pa
async def test_a_report_shows_it(plain: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="pip install 'dfd[report]'")
    path, page = signed.sign(plain, tmp_path / "signed.wav"), tmp_path / "page.html"
    async with ScriptedServer(Script()) as server:
        done = await dfd("report", path, "--server", server.address, "--output", page)
    assert done.status == 0, done
    assert "says that a machine made it" in page.read_text()
