"""A model that hangs or fails while a file says so: `python -c "...; faults.main()" serve ...`."""

import faulthandler
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

FAULT = "DFD_TEST_FAULT"


def main() -> None:
    """Runs `dfd` with the no-op model and injected faults."""
    from dfd.cli.main import main as dfd
    from dfd.daemon.scheduling.noop import NoopDetector

    # SIGUSR1 shows what every thread is doing
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    path = Path(os.environ[FAULT])
    slow = float(os.environ.get("DFD_TEST_WINDOW_SECONDS", "0"))
    score = NoopDetector.score

    def faulty(self: NoopDetector, windows: NDArray[Any], lengths: NDArray[Any]) -> Any:
        fault = path.read_text() if path.exists() else ""
        if fault == "fails":
            raise RuntimeError("a device that is broken")
        began = path.stat().st_mtime_ns if fault else 0
        while fault == "hangs" and path.exists() and path.stat().st_mtime_ns == began:
            time.sleep(0.01)  # until the fault is taken back
        # a machine that is busy with something else
        time.sleep(slow * len(windows) * (2 if fault == "slower" else 1))
        return score(self, windows, lengths)

    NoopDetector.score = faulty  # type: ignore[method-assign]
    sys.argv[0] = "dfd"
    dfd()
