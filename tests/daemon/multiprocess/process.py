"""A daemon of several processes, with a classifier that the test controls."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from dfd.daemon.options import ServeOptions
from dfd.errors import UserError
from tests.daemon.harness import FakeDetector, make_spec
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
# while this file exists no window is scored
GATE = "DFD_TEST_GATE"
# a window with this sample, louder than any noise here, kills the instance's process
FATAL = 32700 / 32768

_MAIN = """
import asyncio, json, sys
from dfd.daemon import logs
from dfd.daemon.multiprocess.run import run_supervisor
from dfd.daemon.options import ServeOptions
from dfd.errors import UserError
options = ServeOptions(**json.loads(sys.argv[1]))
logs.configure(options.log_level, options.log_format)
ending = asyncio.run(run_supervisor(options, lambda line: print(line, flush=True), sys.argv[2]))
sys.exit(0 if ending.drained else 1)
"""


class _Watched(FakeDetector):
    def score(self, windows: NDArray[np.float32], lengths: NDArray[np.int64]) -> Any:
        gate = Path(os.environ[GATE])
        while gate.exists():
            time.sleep(0.005)  # until the test opens the gate
        if np.any(windows == FATAL):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().score(windows, lengths)


def load_fake(options: ServeOptions) -> FakeDetector:
    return _Watched(make_spec(device=options.device))


class _Named(FakeDetector):
    """Gives every window one score, by its name; see `load_named`."""

    def __init__(self, name: str, llr: float, device: str, end: Path) -> None:
        super().__init__(make_spec(name=name, device=device))
        self._llr, self._end = llr, end

    def score(self, windows: NDArray[np.float32], lengths: NDArray[np.int64]) -> Any:
        if self.spec.name == "deadly" and self._end.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        super().score(windows, lengths)
        return np.full(len(lengths), self._llr, np.float32)


def load_named(options: ServeOptions) -> FakeDetector:
    """Loads fake, better, or deadly (kills its process when the gate is there).

    The second instance refuses `odd` and dies of `fatal`, and `slow` takes it as long as there is
    a file of that name; `nan` is broken.
    """
    (name,) = options.models
    scores = {"fake": -5.0, "better": 5.0, "deadly": 1.0, "nan": np.nan, "odd": 2.0, "fatal": 3.0}
    scores["slow"] = 4.0
    if name not in scores:
        raise UserError(f"there is no model {name}: name another")
    if sys.argv[-1] == "dfd-instance-1":
        if name == "odd":
            raise UserError("no memory is left for odd")
        while name == "slow" and Path(os.environ[GATE]).with_name(name).exists():
            time.sleep(0.02)  # until the test removes the file
        if name == "fatal":
            os.kill(os.getpid(), signal.SIGKILL)
    return _Named(name, scores[name], options.device, Path(os.environ[GATE]))


class SupervisorProcess:
    """Starts at once; call `end` at the end."""

    def __init__(
        self,
        folder: Path,
        loader: str = "tests.daemon.multiprocess.process:load_fake",
        **options: Any,
    ) -> None:
        self.gate = folder / "closed"
        defaults = {
            "port": 0,
            "metrics_port": 0,
            "workers": 4,
            "device": "cpu",
            "max_queue_delay_seconds": 0.005,
            "admission": "fixed",
        }
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _MAIN, json.dumps(defaults | options), loader],
            env=os.environ | {GATE: str(self.gate), "PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.match(r"dfd ready on \S+:(\d+) \(metrics (\S+)\)", line)
        if found is not None:
            self.port, self.metrics_url = int(found[1]), found[2]
        self.ready = found is not None

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(iter(self.process.stderr.readline, ""))

    def figures(self) -> dict[tuple[str, str], float]:
        """Returns the whole page, by names and labels."""
        with urllib.request.urlopen(self.metrics_url, timeout=20) as answer:
            text = answer.read().decode()
        return {
            (sample.name, str(sorted(sample.labels.items()))): float(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def figure(self, name: str, **labels: str) -> float:
        """Returns one figure of the page; 0 if it is missing."""
        return self.figures().get((name, str(sorted(labels.items()))), 0.0)

    def children(self, role: str = "") -> list[psutil.Process]:
        """Returns the processes of a role by number."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # the process is ending
                words = child.cmdline()
                if words and words[-1].startswith(f"dfd-{role}"):
                    found[words[-1]] = child
        return [found[name] for name in sorted(found)]

    def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Waits for a condition, with a time limit."""
        wait_until(condition, seconds, lambda: "".join(self.log[-30:]), every=0.02)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ends it, and checks that no process is left; returns its exit status."""
        children = self.children() if self.process.poll() is None else []
        self.process.send_signal(number)
        status = self.process.wait(90)
        self._reader.join(20)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()
        gone, left = psutil.wait_procs(children, timeout=30)
        assert left == [], gone
        return status
