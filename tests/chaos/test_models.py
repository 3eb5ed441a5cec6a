"""`dfd models` against `dfd serve --workers 2`, with streams running."""

import itertools
import json
import subprocess
import sys
import threading
from typing import Any

import grpc

from dfd.v1 import detection_pb2 as pb
from tests.chaos.daemon import ROOT, Daemon, audio, config

CALLS = 4


class _Call:
    """A real-time stream on its own connection, with its responses."""

    def __init__(self, daemon: Daemon) -> None:
        self._over = threading.Event()
        self._stub = daemon.stub()
        self._call = self._stub.__enter__().StreamingDetect(self._talk(), timeout=120)
        self.told: list[pb.StreamingDetectResponse] = []
        self.status: grpc.StatusCode | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _talk(self) -> Any:
        yield config()
        while not self._over.wait(0.2):
            yield audio(0.2)

    def _read(self) -> None:
        self.told.extend(self._call)
        self.status = self._call.code()

    def scores(self) -> list[float]:
        """Of its windows, in their order."""
        windows = [one.window for one in list(self.told) if one.HasField("window")]
        assert all(one.status == pb.WindowResult.STATUS_SCORED for one in windows)
        return [one.window_score.spoof_llr for one in windows]

    def finish(self) -> None:
        """Ends the audio and hears the rest."""
        self._over.set()
        self._reader.join(30)
        self._stub.__exit__(None, None, None)


def _models(daemon: Daemon, *arguments: str) -> Any:
    """What `dfd models` prints."""
    command = [sys.executable, "-m", "dfd", "models", *arguments, "--json"]
    done = subprocess.run(
        [*command, "--server", daemon.address],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_model_is_replaced_in_all_processes_under_streams() -> None:
    with Daemon("--workers", "2", "--allow-admin") as daemon:
        calls = [_Call(daemon) for _ in range(CALLS)]
        daemon.until(lambda: all(call.scores() for call in calls))
        assert _models(daemon, "load", "bundled")["waiting"]["name"] == "bundled"
        standing = _models(daemon, "activate")
        assert [standing[one]["name"] for one in ("active", "previous")] == ["bundled", "noop"]
        # noop gives even odds, which no window of the bundled model has
        daemon.until(lambda: all(call.scores()[-1] != 0.0 for call in calls))
        assert _models(daemon, "rollback")["active"]["name"] == "noop"
        daemon.until(lambda: all(call.scores()[-1] == 0.0 for call in calls))
        for call in calls:
            call.finish()
            assert call.status is grpc.StatusCode.OK
            changed = [score != 0.0 for score in call.scores()]
            assert changed[0] is changed[-1] is False
            # from one to the other and back, and neither in between
            assert sum(a != b for a, b in itertools.pairwise(changed)) == 2
            warned = [one.warning.reason for one in call.told if one.HasField("warning")]
            assert warned.count("MODEL_CHANGED") == 2
            assert call.told[-1].HasField("summary")
        assert daemon.figure("dfd_process_restarts_total") == 0
        assert not daemon.logged("Traceback")
