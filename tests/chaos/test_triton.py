"""A daemon that scores on a Triton server: the same scores, and what it says where it cannot."""

import asyncio
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import click.testing
import pytest
import soundfile

pytest.importorskip("tritonclient", reason="no client of Triton: pip install 'dfd[triton]'")

from dfd.cli.main import cli
from dfd.clients import Recording, events, open_recording
from dfd.streaming.types import WindowStatus
from tests.certificates import issue
from tests.chaos.daemon import Daemon
from tests.chaos.paced import streamed
from tests.chaos.triton import SERVERS, Kserve, ModelServer
from tests.cli.detecting import speech
from tests.deploy.proxies import free_port


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the bundled model."""
    out = tmp_path_factory.mktemp("exported") / "repository"
    result = click.testing.CliRunner().invoke(cli, ["export", "bundled", "--out", str(out)])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{out}/bundled/1/model.pt\n"
    return out


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = tmp_path_factory.mktemp("recording") / "call.wav"
    soundfile.write(path, speech(11.0), 16_000)
    return open_recording(path)


@pytest.fixture(scope="module")
def wanted(recording: Recording) -> list[events.Event]:
    """What a daemon says that scores by itself, in the precision that is exported."""
    with Daemon("--precision", "fp32", model="bundled") as local:
        return asyncio.run(streamed(local.address, recording, pace=10.0))


@pytest.fixture(scope="module", params=SERVERS, ids=lambda kind: kind.__name__.lower())
def server(
    request: pytest.FixtureRequest, exported: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModelServer]:
    """A server of each kind, for all tests."""
    make: Callable[..., ModelServer] = request.param
    repository = Path(shutil.copytree(exported, tmp_path_factory.mktemp("served") / "repository"))
    with make(repository, free_port()) as made:
        yield made


def daemon_on(place: str, *more: str) -> Daemon:
    return Daemon("--engine", f"triton://{place}/bundled", *more, model="bundled")


def windows(told: list[events.Event]) -> list[events.WindowResult]:
    return [event for event in told if isinstance(event, events.WindowResult)]


def llr(window: events.WindowResult) -> float | None:
    return None if window.window_score is None else window.window_score.spoof_llr


async def test_scores_are_those_of_the_local_engine(
    server: ModelServer, recording: Recording, wanted: list[events.Event]
) -> None:
    with daemon_on(server.place) as remote:
        found = await asyncio.gather(
            *(streamed(remote.address, recording, pace=10.0) for _ in range(3))
        )
        page = remote.page()
    assert 'engine="triton/torchscript"' in page
    for told in found:
        assert len(windows(told)) == len(windows(wanted)) > 4
        for mine, other in zip(windows(told), windows(wanted), strict=True):
            assert mine.status is other.status
            assert mine.start_seconds == other.start_seconds
            assert llr(mine) == pytest.approx(llr(other), abs=1e-3)
        one, other_end = told[-1], wanted[-1]
        assert isinstance(one, events.Summary)
        assert isinstance(other_end, events.Summary)
        assert one.channels[0].verdict is other_end.channels[0].verdict


async def test_a_server_that_goes_away_fails_windows_until_it_is_back(
    server: ModelServer, recording: Recording
) -> None:
    with daemon_on(server.place, "--deadline-seconds", "1") as remote:
        ready = f"{remote.metrics_url.rpartition('/')[0]}/readyz"
        assert status_of(ready) == 200
        running = asyncio.create_task(streamed(remote.address, recording, pace=1.0))

        def scored() -> float:
            return remote.figure("dfd_windows_total", status="scored")

        await asyncio.to_thread(remote.until, lambda: scored() >= 1)
        server.kill()
        await asyncio.to_thread(remote.until, lambda: status_of(ready) == 503)
        said = remote.until_logged("batch failed")
        assert f"the Triton server at {server.place} is away" in said
        before = scored()
        server.start()
        await asyncio.to_thread(remote.until, lambda: status_of(ready) == 200)
        remote.until_logged("the Triton server scores again")
        told = await running
        assert scored() > before
        assert not remote.logged("Traceback")
    states = [one.status for one in windows(told)]
    assert WindowStatus.FAILED.name in {state.name for state in states}
    assert states[-1].name == WindowStatus.SCORED.name
    assert isinstance(told[-1], events.Summary)


async def test_a_model_that_is_unloaded_or_replaced_fails_windows(
    server: ModelServer, recording: Recording
) -> None:
    """Of an unloaded model the server says UNAVAILABLE, as a network does of a server."""
    config = server.repository / "bundled" / "config.pbtxt"
    mine = config.read_text()
    sha256 = re.search(r"weights_sha256[^0-9a-f]+([0-9a-f]{64})", mine)
    assert sha256 is not None

    with daemon_on(server.place) as remote, server.client() as client:
        ready = f"{remote.metrics_url.rpartition('/')[0]}/readyz"
        running = asyncio.create_task(streamed(remote.address, recording, pace=1.0))
        await asyncio.to_thread(
            remote.until, lambda: remote.figure("dfd_windows_total", status="scored") >= 1
        )
        client.unload_model("bundled")
        said = await asyncio.to_thread(remote.until_logged, "(batch|window) failed")
        assert "does not score: Request for unknown model" in said
        await asyncio.to_thread(remote.until, lambda: status_of(ready) == 503)

        config.write_text(mine.replace(sha256[1], 64 * "0"))
        client.load_model("bundled")
        another = "serves another model bundled now: restart this daemon"
        await asyncio.to_thread(remote.until_logged, another)
        assert status_of(ready) == 503

        config.write_text(mine)
        client.unload_model("bundled")
        client.load_model("bundled")
        await asyncio.to_thread(remote.until, lambda: status_of(ready) == 200)
        told = await running
        assert not remote.logged("Traceback")
    assert isinstance(told[-1], events.Summary)


async def test_a_server_that_does_not_answer_is_given_up(
    server: ModelServer, recording: Recording
) -> None:
    with daemon_on(server.place, "--batch-timeout-seconds", "1") as remote:
        running = asyncio.create_task(streamed(remote.address, recording, pace=1.0))

        def scored() -> float:
            return remote.figure("dfd_windows_total", status="scored")

        await asyncio.to_thread(remote.until, lambda: scored() >= 1)
        server.hold(signal.SIGSTOP)
        await asyncio.to_thread(remote.until_logged, "batch given up")
        before = scored()
        server.hold(signal.SIGCONT)
        await asyncio.to_thread(remote.until, lambda: scored() > before)
        told = await running
        assert not remote.logged("Traceback")
    assert isinstance(told[-1], events.Summary)
    assert windows(told)[-1].status.name == "SCORED"


@pytest.mark.parametrize("kind", SERVERS, ids=lambda kind: kind.__name__.lower())
async def test_samples_are_encrypted(
    kind: Callable[..., ModelServer], recording: Recording, exported: Path, tmp_path: Path
) -> None:
    repository = Path(shutil.copytree(exported, tmp_path / "repository"))
    mine, other = (issue(tmp_path, name) for name in ("mine", "other"))
    with kind(repository, free_port(), mine) as server:
        engine = f"triton://{server.place}/bundled?ca={mine.cert_path}"
        with Daemon("--engine", engine, model="bundled") as remote:
            told = await streamed(remote.address, recording, pace=10.0)
        assert {one.status.name for one in windows(told)} == {"SCORED"}
        assert "?tls=on or ?ca=FILE" in refusal(server.place)
        assert "by an authority in ca=FILE" in refusal(
            server.place, name=f"bundled?ca={other.cert_path}"
        )
    assert "ca=/none of the engine's address cannot be read: No such file" in refusal(
        server.place, name="bundled?ca=/none"
    )


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def refusal(place: str, *more: str, name: str = "bundled") -> str:
    """What `dfd serve` says, in one line."""
    command = [sys.executable, "-m", "dfd", "serve", "--port", "0", "--metrics-port", "-1"]
    ended = subprocess.run(
        [*command, "--engine", f"triton://{place}/{name}", "--log-level", "error", *more],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    (line,) = ended.stderr.splitlines()
    return line


def test_a_missing_server_is_reported_at_the_start() -> None:
    said = refusal(f"127.0.0.1:{free_port()}")
    assert re.match(r"dfd serve: no Triton server answers at 127\.0\.0\.1:\d+: start ", said)


def test_a_model_that_the_server_does_not_have_is_reported(server: ModelServer) -> None:
    said = refusal(server.place, name="other")
    assert f"the Triton server at {server.place} has no model other that is ready" in said
    assert "dfd export" in said


def test_a_precision_that_the_model_does_not_have_is_reported(server: ModelServer) -> None:
    said = refusal(server.place, "--precision", "bf16")
    assert said.endswith(
        "serves the model in fp32, where it was deployed or exported: leave out --precision bf16"
    )


def test_a_model_of_ones_own_is_not_served_there(exported: Path) -> None:
    assert "leave out --model" in refusal("127.0.0.1:1", "--model", "noop")


# by name: what is changed in the configuration, and what the daemon says of it
MISFITS = {
    "shape": (
        "dims: [ 64000 ]",
        "dims: [ 32000 ]",
        r"windows__0 FP32 \(B, 32000\), and its facts want",
    ),
    "facts": ('key: "dfd"', 'key: "other"', "was not written by dfd"),
    "broken": (r"\"window_samples\": 64000", r"\"window_samples\": \"x\"", "export it again"),
}


@pytest.fixture(scope="module")
def misfits(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server of models that do not fit."""
    repository = tmp_path_factory.mktemp("misfits")
    for name, (old, new, _) in MISFITS.items():
        config = Path(shutil.copytree(exported / "bundled", repository / name)) / "config.pbtxt"
        text = config.read_text()
        assert old in text
        config.write_text(text.replace('name: "bundled"', f'name: "{name}"').replace(old, new))
    with Kserve(repository, free_port()) as served:
        yield served


@pytest.mark.parametrize("name", MISFITS)
def test_a_model_that_does_not_fit_is_reported(name: str, misfits: ModelServer) -> None:
    assert re.search(MISFITS[name][2], refusal(misfits.place, name=name))
