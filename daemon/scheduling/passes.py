"""Forward passes on the device: a thread that died or hangs is abandoned for another."""

import asyncio
import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.scheduling.device import DeviceThread
from dfd.detector.buckets import stack
from dfd.detector.spec import Scorer
from dfd.streaming.types import Samples

# a single pass may hang because of its input; if the next one hangs too, it is the model's fault
_HUNG_PASSES = 2


class ForwardPasses:
    """Runs one pass after another; belongs to one event loop.

    Args:
        scorer: the classifier; its `score` runs in the device thread only.
        device: the thread the classifier was loaded in.
        window_samples: N of the classifier.
        timeout_seconds: a pass that takes longer is given up.
        on_hung: told when one pass after the other had to be given up.
    """

    def __init__(
        self,
        scorer: Scorer,
        device: DeviceThread,
        window_samples: int,
        timeout_seconds: float,
        metrics: Metrics,
        on_hung: Callable[[], None] | None = None,
    ) -> None:
        self._scorer = scorer
        self._device = device
        self._window_samples = window_samples
        self._timeout_seconds = timeout_seconds
        self._metrics = metrics
        self._on_hung = on_hung
        self._given_up = 0

    async def score(self, windows: list[Samples]) -> NDArray[np.float32]:
        """Runs one pass and returns the windows' LLRs.

        Raises:
            TimeoutError: if the pass was given up.
            ValueError: if scores are missing.
            Exception: with what the classifier raised.
        """
        if not self._device.alive:
            log(logging.ERROR, "device thread died, starting another")
            self._renew()
        scorer, samples = self._scorer, self._window_samples
        try:
            async with asyncio.timeout(self._timeout_seconds):
                llrs = await self._device.run(lambda: scorer.score(*stack(windows, samples)))
        except TimeoutError:
            # a thread cannot be killed: leave it to its pass and continue with another
            self._device.close()
            self._renew()
            self._given_up += 1
            if self._given_up == _HUNG_PASSES and self._on_hung is not None:
                log(logging.ERROR, "model hangs, reloading it", passes=self._given_up)
                self._on_hung()
            raise
        self._given_up = 0
        if llrs.shape[0] < len(windows):
            raise ValueError(
                f"the classifier returned {llrs.shape} scores for {len(windows)} windows"
            )
        return llrs

    def switch_to(self, scorer: Scorer, device: DeviceThread) -> DeviceThread:
        """Switches to another classifier, in the thread that loaded it; returns the old thread."""
        old, self._device = self._device, device
        self._scorer, self._given_up = scorer, 0
        return old

    def close(self) -> None:
        """Ends the thread after its present pass, without waiting for it."""
        self._device.close()

    def _renew(self) -> None:
        self._metrics.scheduler_restarts.inc()
        self._device = DeviceThread()
