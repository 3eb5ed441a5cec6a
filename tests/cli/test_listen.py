import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.clients.command import DFD, clean, dfd
from tests.clients.pulse import VirtualMicrophone
from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script

pytestmark = pytest.mark.slow


def need_portaudio() -> None:
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        pytest.skip("sounddevice finds no PortAudio: apt-get install libportaudio2")


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMicrophone]:
    need_portaudio()
    virtual = VirtualMicrophone(tmp_path_factory.mktemp("microphone"))
    yield virtual
    virtual.close()


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    time = np.arange(16000 * 30) / 16000
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 440 * time), 16000)
    return path


async def test_played_audio_is_analysed(
    microphone: VirtualMicrophone, tone: Path, tmp_path: Path
) -> None:
    events, alert = tmp_path / "events.jsonl", tmp_path / "alert.json"
    player = microphone.play(tone)
    try:
        async with ScriptedServer(Script(alert_after=2.0)) as server:
            done = await dfd(
                "listen", "--server", server.address, "--seconds", 3, "--events", events,
                "--fail-on-alert", "--on-alert", f"sh -c 'cat > {alert}'",
                environment=microphone.environment,
            )  # fmt: skip
    finally:
        player.terminate()
        player.wait()
    assert done.status == 1, done
    for word in ("listening to", "ALERT", "Sounds synthetic", "3.0 s heard"):
        assert word in done.out
    (connection,) = server.connections
    assert connection.done
    assert connection.config.vad.activity_events
    heard = b"".join(chunk.content for chunk in connection.chunks)
    samples = np.frombuffer(heard, "<i2").astype(np.float64)
    rate = connection.config.audio_format.sample_rate_hertz
    assert len(samples) / rate == pytest.approx(3.0, abs=0.1)
    last = samples[-rate:] / 32768
    assert np.sqrt(np.mean(last**2)) == pytest.approx(0.35, abs=0.1)
    peak = np.argmax(np.abs(np.fft.rfft(last))) * rate / len(last)
    assert peak == pytest.approx(440, abs=5)
    assert json.loads(alert.read_text())["alert"]["trigger"] == "TRIGGER_ROLLING"
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    assert "started" in lines[0]
    assert "summary" in lines[-1]


async def heard_a_window(
    microphone: VirtualMicrophone, server: ScriptedServer
) -> tuple[asyncio.subprocess.Process, asyncio.StreamReader]:
    """Starts `dfd listen --json`, and returns it with its output after the first window."""
    process = await asyncio.create_subprocess_exec(
        *DFD, "listen", "--json", "--server", server.address,
        env=clean(microphone.environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while b'"window"' not in (line := await process.stdout.readline()):
            assert line, "it ended before a window was scored"
    return process, process.stdout


async def test_ctrl_c_ends_with_the_summary(microphone: VirtualMicrophone) -> None:
    async with ScriptedServer() as server:
        process, _ = await heard_a_window(microphone, server)
        async with asyncio.timeout(60):
            process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    summary = json.loads(out.splitlines()[-1])["summary"]
    assert summary["end_reason"] == "END_REASON_CLIENT_DONE"


async def test_a_terminal_gets_the_meter(microphone: VirtualMicrophone) -> None:
    controller, terminal = pty.openpty()
    async with ScriptedServer() as server:
        process = await asyncio.create_subprocess_exec(
            *DFD, "listen", "--seconds", "2", "--server", server.address,
            env=clean(microphone.environment) | {"TERM": "xterm-256color", "LINES": "40"},
            stdin=terminal, stdout=terminal, stderr=subprocess.PIPE,
        )  # fmt: skip
        os.close(terminal)

        def drain() -> bytes:
            seen = b""
            while True:
                try:
                    seen += os.read(controller, 65536)
                except OSError:  # the other end has been closed
                    return seen

        screen = (await asyncio.to_thread(drain)).decode()
        _, err = await process.communicate()
    os.close(controller)
    assert (process.returncode, err) == (0, b"")
    for word in ("level", "rolling", "whole stream", "synthetic", "Ctrl-C ends", "scripted 1"):
        assert word in screen


async def test_ctrl_c_at_the_keyboard_leaves_the_border_intact(
    microphone: VirtualMicrophone,
) -> None:
    controller, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    async with ScriptedServer() as server:
        process = await asyncio.create_subprocess_exec(
            *DFD, "listen", "--server", server.address,
            env=clean(microphone.environment) | {"TERM": "xterm-256color", "COLUMNS": "60"},
            stdin=terminal, stdout=terminal, stderr=subprocess.PIPE, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip

        def press_and_read() -> bytes:
            seen, pressed = b"", False
            while True:
                try:
                    seen += os.read(controller, 65536)
                except OSError:  # the other end has been closed
                    return seen
                if not pressed and b"0.900" in seen:
                    pressed = True
                    os.write(controller, b"\x03")
                if b"windows scored" in seen:
                    return seen

        async with asyncio.timeout(60):
            screen = (await asyncio.to_thread(press_and_read)).decode()
            _, err = await process.communicate()
    after = termios.tcgetattr(terminal)
    os.close(terminal)
    os.close(controller)
    assert (process.returncode, err) == (0, b"")
    assert "^C" not in screen
    # the last frame is complete: the verdict follows its lower border
    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", screen)
    assert re.search(r"Ctrl-C ends ─+╯\s+Sounds synthetic", text)
    assert after == before


async def test_a_server_that_goes_away_for_a_while(microphone: VirtualMicrophone) -> None:
    async with ScriptedServer() as server:
        process, told = await heard_a_window(microphone, server)
        async with asyncio.timeout(60):
            await server.kill()
            while b'"connection_lost"' not in (line := await told.readline()):
                assert line
            await server.start()
            while b'"reconnected"' not in (line := await told.readline()):
                assert line
            process.send_signal(signal.SIGINT)
            out, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(line)["reconnected"]["lost_duration"] == "0s"
    assert b'"summary"' in out.splitlines()[-1]
    first, second = server.connections
    assert first.config.stream_id == second.config.stream_id


async def test_a_microphone_that_vanishes_leaves_a_verdict(tmp_path: Path) -> None:
    need_portaudio()
    virtual = VirtualMicrophone(tmp_path)
    try:
        async with ScriptedServer() as server:
            process = await asyncio.create_subprocess_exec(
                *DFD, "listen", "--server", server.address,
                env=clean(virtual.environment),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            async with asyncio.timeout(90):
                while "rolling" not in (await process.stdout.readline()).decode():
                    pass
                virtual.close()
                out, err = await process.communicate()
    finally:
        virtual.close()
    assert process.returncode == 2
    assert "was disconnected: connect it again" in err.decode()
    assert "Sounds synthetic" in out.decode()
    assert "windows scored" in out.decode()


async def test_devices(microphone: VirtualMicrophone) -> None:
    listed = await dfd("listen", "--list-inputs", environment=microphone.environment)
    assert listed.status == 0
    assert "pulse" in listed.out
    for wanted in ("99", "no such thing"):
        done = await dfd("listen", "--input", wanted, environment=microphone.environment)
        assert done.is_one_line(), done
        assert "--list-inputs" in done.err
    done = await dfd("listen", "--server", "localhost:1", environment=microphone.environment)
    assert done.is_one_line()
    assert "dfd serve" in done.err


async def test_no_microphone() -> None:
    need_portaudio()
    done = await dfd("listen", "--list-inputs", PULSE_SERVER="unix:/none")
    if done.status == 0:
        pytest.skip("this machine has a microphone; the test is of one that has none")
    assert done.is_one_line()
    assert "no microphone was found" in done.err


async def test_without_portaudio(tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    done = await dfd("listen", PYTHONPATH=str(tmp_path))
    assert done.is_one_line()
    assert "apt install libportaudio2" in done.err
