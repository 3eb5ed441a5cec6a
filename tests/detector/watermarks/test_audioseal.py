"""AudioSeal's watermark, by random weights: here and by its authors' package."""

import json
from pathlib import Path

import click.testing
import pytest
import soundfile

from dfd.benchmarks.speech import speech
from dfd.cli.main import cli
from dfd.detector.watermarks.schemes import named
from dfd.errors import UserError

torch = pytest.importorskip("torch", reason="pip install 'dfd[serve]'")

from dfd.daemon.metrics import Metrics  # noqa: E402
from dfd.daemon.watermarks.reader import WatermarkReader  # noqa: E402
from dfd.detector.watermarks.audioseal import load_audioseal  # noqa: E402
from dfd.detector.watermarks.readers import check_weights  # noqa: E402
from tests import audioseal  # noqa: E402

RATE = 16_000
# P(marked) of every 599th sample of 0.3 s of speech, as the package audioseal 0.2.0 says by the
# same weights
EXPECTED = [0.5349, 0.55752, 0.57992, 0.59611, 0.54819, 0.52697, 0.61972, 0.5728, 0.56377]


@pytest.mark.skipif(not audioseal.INSTALLED, reason=audioseal.REASON)
@pytest.mark.parametrize("samples", [320, 16_123, 64_000])
def test_readings_match_the_original_package(samples: int, tmp_path: Path) -> None:
    ours = load_audioseal(RATE, audioseal.write(tmp_path / "detector_base.pth"))
    heard = torch.from_numpy(speech(RATE, 4.0)[:samples]).unsqueeze(0)
    theirs = audioseal.own_detector()
    with torch.inference_mode():
        expected = theirs(heard.unsqueeze(1))[0][:, 1]
        torch.testing.assert_close(ours.marked(heard), expected, atol=1e-5, rtol=0.0)
        share, _ = theirs.detect_watermark(heard.unsqueeze(1))
        assert float(ours(heard)) == pytest.approx(float(share), abs=1e-3)


@pytest.mark.parametrize("layout", audioseal.LAYOUTS)
def test_files_of_all_versions_say_the_same(layout: str, tmp_path: Path) -> None:
    reader = load_audioseal(RATE, audioseal.write(tmp_path / "detector_base.pth", layout))
    heard = torch.from_numpy(speech(RATE, 0.3)).unsqueeze(0)
    with torch.inference_mode():
        said = reader.marked(heard)[0, ::599]
    assert said.tolist() == pytest.approx(EXPECTED, abs=1e-4)


def test_other_files_and_rates_are_refused(tmp_path: Path) -> None:
    path = audioseal.write(tmp_path / "detector_base.pth")
    with pytest.raises(UserError, match="at 8000 Hz: serve a model of 16000 Hz"):
        load_audioseal(8_000, path)
    torch.save({"model": {"weight": torch.zeros(2)}}, tmp_path / "other.pth")
    schemes = named(f"audioseal={tmp_path / 'other.pth'}")
    with pytest.raises(UserError, match=r"name detector_base\.pth of its authors"):
        check_weights(schemes)
    state = audioseal.state()
    del state["detector.0.model.13.lstm.bias_hh_l1"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(UserError, match=r"lacks encoder\.13\.lstm\.bias_hh_l1"):
        load_audioseal(RATE, tmp_path / "less.pth")


@pytest.mark.parametrize("marked", [True, False])
def test_a_finding_in_a_file(marked: bool, tmp_path: Path) -> None:
    path = audioseal.write(tmp_path / "detector_base.pth", marked=marked)
    soundfile.write(tmp_path / "call.wav", speech(RATE, 4.0), RATE)
    words = ["detect", "--json", f"--watermarks=audioseal={path}", str(tmp_path / "call.wav")]
    result = click.testing.CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)["watermarks"]
    assert [one["scheme"] for one in found] == ["audioseal"] * marked


async def test_the_process_of_a_daemon_reads_it(tmp_path: Path) -> None:
    path = audioseal.write(tmp_path / "detector_base.pth", marked=True)
    reader = WatermarkReader(named(f"audioseal={path}"), Metrics())
    reader.start()
    await reader.until_ready()
    try:
        assert await reader.submit(speech(RATE, 2.0), RATE, 0) == (1.0,)
    finally:
        await reader.stop()
