"""The one thread that touches the device, apart from the event loop."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

_Result = TypeVar("_Result")
_Job = Callable[[], None]


class DeviceThread:
    """Runs jobs one after another in a daemon thread, which never delays the end of the process.

    An executor of the standard library would be joined at exit, and a forward pass that
    hangs would then hang the process.
    """

    def __init__(self, name: str = "dfd-device") -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still accepts jobs."""
        return self._thread.is_alive()

    async def run(self, call: Callable[[], _Result]) -> _Result:
        """Runs a call in the thread and returns its result or raises its exception."""
        future: Future[_Result] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = call()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.put(job)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Ends the thread after its present job, without waiting for it."""
        self._jobs.put(None)

    def join(self, timeout_seconds: float) -> bool:
        """Waits for the thread's end; returns False if it is still busy."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            # the last job must not keep its windows alive until the next one
            del job
