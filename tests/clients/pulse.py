"""A virtual microphone: PulseAudio with one null sink, whose monitor is the source."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest


class VirtualMicrophone:
    """The default ALSA and PortAudio input records what `play` plays.

    Attributes:
        environment: for the processes that shall hear it.
    """

    def __init__(self, folder: Path) -> None:
        for program in ("pulseaudio", "pactl", "paplay"):
            if shutil.which(program) is None:
                packages = "pulseaudio pulseaudio-utils"
                pytest.skip(f"{program} is not installed: apt-get install {packages}")
        if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
            pytest.skip("ALSA has no pulse plug-in: apt-get install libasound2-plugins")
        runtime = folder / "pulse"
        runtime.mkdir(mode=0o700)
        (folder / "home").mkdir()
        asound = folder / "asound.conf"
        asound.write_text(
            "pcm.!default { type pulse }\nctl.!default { type pulse }\npcm.pulse { type pulse }\n"
        )
        self.environment = {
            **os.environ,
            "HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_CONFIG_HOME": str(folder / "home"),
            "PULSE_RUNTIME_PATH": str(runtime),
            "PULSE_SERVER": f"unix:{runtime}/native",
            "ALSA_CONFIG_PATH": f"/usr/share/alsa/alsa.conf:{asound}",
        }
        self._log = (folder / "pulse.log").open("wb")
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        command += ["--disallow-exit", "--disable-shm=yes", "--realtime=no", "--high-priority=no"]
        command += [
            "-L",
            f"module-native-protocol-unix auth-anonymous=1 socket={runtime}/native",
            "-L",
            "module-null-sink sink_name=wire rate=16000 channels=1",
        ]
        self._process = subprocess.Popen(
            command, env=self.environment, stdout=self._log, stderr=self._log
        )
        for _ in range(300):
            if self._pactl("info").returncode == 0:
                break
            if self._process.poll() is not None:
                log = (folder / "pulse.log").read_text(errors="replace")
                self._log.close()
                pytest.skip(f"pulseaudio does not start here: {log[-300:]}")
            time.sleep(0.1)  # it does not say when it is ready
        self._pactl("set-default-sink", "wire")
        self._pactl("set-default-source", "wire.monitor")

    def _pactl(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            ["pactl", *words], env=self.environment, capture_output=True, check=False
        )

    def play(self, path: Path) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(["paplay", "--device=wire", str(path)], env=self.environment)

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._log.close()
