"""One process of a daemon from its supervisor's side: start, connection, messages and end."""

import asyncio
import logging
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from dfd.daemon.logs import log
from dfd.daemon.multiprocess.channel import ControlChannel
from dfd.daemon.multiprocess.control import Begin, Connect, Ended, Report
from dfd.daemon.multiprocess.memory import WindowSlots
from dfd.daemon.multiprocess.merge import Families
from dfd.detector.spec import ModelSpec

# windows of one worker that may be at the instances; only pages that were used take memory
_SLOTS = 1024
_CODE = "from dfd.daemon.multiprocess.child import main; main()"
_FOR_NOBODY = -1
_FIRST_RESTART_SECONDS = 0.2
_LAST_RESTART_SECONDS = 10.0
# a process that lived this long died of a new cause
_LONG_LIFE_SECONDS = 60.0


@dataclass(slots=True, eq=False)
class Process:
    """A worker or an instance.

    Attributes:
        bound, serving, watched: state of a worker.
        spec: model of an instance, once it is loaded.
        slots: descriptors of a worker's windows, by model.
        figures: its metrics when they were last requested.
        end: its last message about its end.
        unanswered: requests since it last answered.
    """

    role: str
    index: int
    process: asyncio.subprocess.Process
    control: ControlChannel
    started_at: float
    bound: bool = False
    serving: bool = False
    watched: bool = False
    spec: ModelSpec | None = None
    slots: dict[str, int] = field(default_factory=dict)
    figures: Families = field(default_factory=list)
    end: Ended | None = None
    unanswered: int = 0

    @property
    def name(self) -> str:
        """Its name in the log."""
        return f"{self.role}-{self.index}"

    def ask(self) -> None:
        """Requests its figures, which are kept for when it is gone."""
        self.control.send(Report(_FOR_NOBODY))

    def kill(self) -> None:
        """Kills it."""
        if self.process.returncode is None:
            self.process.kill()


async def spawn(begin: Begin, descriptors: list[int]) -> Process:
    """Starts a process and gives it its first order.

    Args:
        begin: the order.
        descriptors: go with it, and stay the sender's.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        handed = theirs.fileno()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _CODE, str(handed), f"dfd-{begin.role}-{begin.index}"),
            pass_fds=[handed],
            stdin=asyncio.subprocess.DEVNULL,
        )
    now = asyncio.get_running_loop().time()
    one = Process(begin.role, begin.index, process, ControlChannel(ours), now)
    one.control.send(begin, descriptors)
    return one


class RestartDelays:
    """Longer and longer where a process dies as soon as it lives."""

    def __init__(self) -> None:
        self._delays: dict[str, float] = {}

    def after(self, one: Process, now: float) -> float:
        """Returns how long to wait before another takes the place of one that died."""
        if now - one.started_at > _LONG_LIFE_SECONDS:
            self._delays.pop(one.name, None)
        delay = self._delays.get(one.name, _FIRST_RESTART_SECONDS)
        self._delays[one.name] = min(2 * delay, _LAST_RESTART_SECONDS)
        return delay


def introduce(worker: Process, instance: Process, model: str) -> None:
    """Connects a worker and an instance by a socket and the slots for windows of its model."""
    spec = instance.spec
    assert spec is not None
    if model not in worker.slots:
        worker.slots[model] = WindowSlots.allocate(_SLOTS, spec.window_samples)
    slots = worker.slots[model]
    for_worker, for_instance = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with for_worker, for_instance:
        worker.control.send(Connect(instance.index, spec), [for_worker.fileno(), slots])
        instance.control.send(Connect(worker.index, spec), [for_instance.fileno(), slots])


async def until_gone(processes: Sequence[Process], limit_seconds: float) -> None:
    """Waits until all have ended, and ends by force those that have not by then."""
    waits = [asyncio.ensure_future(one.process.wait()) for one in processes]
    if not waits:
        return
    _, left = await asyncio.wait(waits, timeout=limit_seconds)
    for one in processes:
        if one.process.returncode is None:
            log(logging.ERROR, "process does not end, killed", process=one.name)
            one.kill()
    if left:
        await asyncio.wait(left)
