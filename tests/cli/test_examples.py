"""Every example of every help text runs, with a daemon, a call or a microphone if it needs one.

What an example names lies in one folder. Addresses of others are this machine's, and fixed ports
free ones; nothing else of a line is changed but what `How` says.
"""

import asyncio
import contextlib
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.clients import AsyncDetectionClient, StreamOptions, open_recording
from dfd.detector.files.bundled import bundled_folder
from dfd.detector.networks.whisper_stem import StemConfig
from tests.certificates import issue
from tests.cli.detecting import speech
from tests.cli.examples import RUNS, How
from tests.cli.test_help import EXAMPLES
from tests.clients.command import DFD, clean
from tests.clients.pulse import VirtualMicrophone
from tests.detector.authors import save_small_top_four, save_stages
from tests.detector.files.hub import Hub
from tests.tiny_corpus import make_corpus

pytestmark = pytest.mark.slow
_SECONDS = 240.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the examples name."""
    made = tmp_path_factory.mktemp("examples")
    spoken = speech(6.0)
    for name in ("audio", "people", "machines", "calls/people", "corpus"):
        (made / name).mkdir(parents=True)
    soundfile.write(made / "call.wav", spoken, 16000)
    rows = ["file\tlabel"]
    for number in range(8):
        loud = 0.2 + 0.1 * number
        soundfile.write(made / "audio" / f"{number}.wav", loud * spoken, 16000)
        rows.append(f"{number}.wav\t{'spoof' if number % 2 else 'bonafide'}")
    (made / "trials.tsv").write_text("\n".join(rows) + "\n")
    # a threshold needs twenty calls
    noise = np.random.default_rng(0).standard_normal((20, 32000))
    for number in range(20):
        loud = 0.1 + number / 40
        for name in ("people", "calls/people"):
            soundfile.write(made / name / f"{number}.wav", loud * spoken[:32000], 16000)
        spoofed = loud * (spoken[:32000] + 0.03 * noise[number])
        soundfile.write(made / "machines" / f"{number}.wav", spoofed, 16000)
    make_corpus(made / "corpus")
    issued = issue(made, "cert")
    shutil.copy(issued.key_path, made / "key.pem")
    (made / "viewers.token").write_text("let-viewers-in\n")
    tokens = '[[tokens]]\nname = "line"\ntoken = "let-the-line-in-0123456789"\n'
    (made / "tokens.toml").write_text(tokens)
    for name in ("better", "better.pt"):
        shutil.copytree(bundled_folder(), made / name)
    small = made / "small"
    small.mkdir()
    shutil.copy(save_small_top_four(small), made / "best.pt")
    save_stages(made / "encoder.safetensors", StemConfig())
    shutil.copy(made / "best.pt", made / "AASIST.pth")  # AASIST itself would take minutes
    shutil.copy(small / "config.json", made / "config.json")
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """A daemon with the bundled model and a journal."""
    environment = clean() | {
        "DFD_SERVE_PORT": "0",
        "DFD_SERVE_METRICS_PORT": "0",
        "DFD_SERVE_JOURNAL": "calls.sqlite",
        "DFD_SERVE_ALLOW_ADMIN": "true",
        "DFD_SERVE_DEADLINE_SECONDS": "60",
        "DFD_SERVE_LOG_LEVEL": "error",
    }
    words = [*DFD, "serve"]
    with subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            found = re.match(r"dfd ready on (\S+)", process.stdout.readline())
            assert found
            yield found[1]
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture
def call(request: pytest.FixtureRequest, server: str, folder: Path) -> Iterator[None]:
    """Runs the stream call-1041 during the test."""
    over, begun = threading.Event(), threading.Event()

    async def stream() -> None:
        recording = open_recording(folder / "call.wav")
        options = StreamOptions(stream_id="call-1041", labels={"queue": "sales"})
        async with (
            AsyncDetectionClient(server) as client,
            client.stream(recording.audio_format, options=options) as live,
        ):

            async def play() -> None:
                while not over.is_set():
                    with contextlib.closing(recording.chunks(0.1)) as chunks:
                        for chunk in chunks:
                            await live.send(chunk)
                            await asyncio.sleep(0.1)  # in real time
                            if over.is_set():
                                break
                await live.finish()

            playing = asyncio.create_task(play())
            async for _ in live:
                begun.set()
            await playing

    thread = threading.Thread(target=lambda: asyncio.run(stream()), daemon=True)
    thread.start()
    assert begun.wait(60)
    yield
    over.set()
    thread.join(60)


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMicrophone]:
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        pytest.skip("sounddevice finds no PortAudio: apt-get install libportaudio2")
    virtual = VirtualMicrophone(tmp_path_factory.mktemp("microphone"))
    yield virtual
    virtual.close()


@pytest.fixture
def hub(folder: Path) -> Iterator[dict[str, str]]:
    """A hub with organisation/model; yields the settings of the hub's library."""
    with Hub(bundled_folder(), name="organisation/model").serving() as url:
        yield {"HF_ENDPOINT": url, "HF_HOME": str(folder / "hub"), "NO_PROXY": "127.0.0.1"}


def test_the_table_names_existing_examples() -> None:
    assert set(RUNS) <= set(EXAMPLES)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=pytest.mark.by_hand if RUNS.get(line, How()).by_hand else ())
        for line in EXAMPLES
    ],
)
def test_an_example_runs(
    line: str, folder: Path, server: str, request: pytest.FixtureRequest
) -> None:
    how = RUNS.get(line, How())
    if how.need is not None:
        how.need()
    environment = clean() | {
        "DFD_SERVER": server,
        "DFD_SERVE_PORT": "0",
        "DFD_SERVE_METRICS_PORT": "0",
        "PYTHONUNBUFFERED": "1",
        "DFD_CACHE_DIR": str(folder / "cache"),
    }
    if how.microphone:
        virtual = request.getfixturevalue("microphone")
        environment |= clean(virtual.environment) | {"DFD_SERVER": server}
        player = virtual.play(folder / "call.wav")
        request.addfinalizer(player.wait)
        request.addfinalizer(player.terminate)
    if how.call:
        request.getfixturevalue("call")
    if how.hub:
        environment |= request.getfixturevalue("hub")
    environment |= how.environment
    for first in how.before:
        subprocess.run(words_of(first, server), cwd=folder, env=environment, check=True)
    words = [*words_of(line, server), *how.more]
    process = subprocess.Popen(
        words, cwd=folder, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    late = threading.Timer(_SECONDS, process.kill)
    late.start()
    said = ""
    try:
        assert process.stdout is not None
        if how.until:
            while not re.search(how.until, said):
                more = process.stdout.readline()
                assert more, said
                said += more
            process.send_signal(signal.SIGINT)
        said += process.communicate(how.feed or None)[0]
    finally:
        late.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
    assert process.returncode in how.statuses, said
    assert "Traceback" not in said
    assert said.strip()


def words_of(line: str, server: str) -> list[str]:
    """Returns the command of an example, without what it is piped into."""
    words = shlex.split(line.partition(" | ")[0])
    if words[0] == "dfd":
        words[:1] = DFD
    # tests neither listen beyond loopback nor contact other machines
    here = {"0.0.0.0": "127.0.0.1", "node-1:50051": server, "node-2:50051": server}
    here["10.0.0.5:50051"] = server
    return [here.get(word, word) for word in words]
