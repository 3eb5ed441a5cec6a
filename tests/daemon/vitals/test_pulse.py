import asyncio
from collections.abc import Callable

import numpy as np

from dfd.daemon.scheduling.batching import Kind, Lane, Outcome
from dfd.daemon.vitals.observed import ObservedScheduler
from dfd.daemon.vitals.pulse import Pulse
from dfd.streaming.types import Samples, WindowStatus
from tests.waiting import turns

SCORED, FAILED = Outcome(WindowStatus.SCORED, 0.0), Outcome(WindowStatus.FAILED)


class ByHand:
    """A scheduler whose windows the test resolves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.lanes = 0
        self.waiting: list[asyncio.Future[Outcome]] = []

    @property
    def clock(self) -> Callable[[], float]:
        return lambda: self.now

    def open_lane(self) -> Lane:
        self.lanes += 1
        return Lane()

    def close_lane(self, lane: Lane) -> None:
        self.lanes -= 1

    def cancel_lane(self, lane: Lane) -> None:
        raise AssertionError

    def submit(
        self, lane: Lane, samples: Samples, *, due_at: float, kind: Kind, channel: int = 0
    ) -> asyncio.Future[Outcome]:
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]


class Patient:
    """A pulse with a deadline of 1 s and a scheduler that the test controls."""

    def __init__(self) -> None:
        self.hand = ByHand()
        self.observed = ObservedScheduler(self.hand)
        self.told: list[bool] = []
        self.pulse = Pulse(self.observed, 8, 1.0, self.told.append)

    def window(self, kind: Kind = Kind.LIVE) -> asyncio.Future[Outcome]:
        return self.observed.submit(
            Lane(), np.zeros(8, np.float32), due_at=self.hand.now + 1.0, kind=kind
        )

    async def after(self, seconds: float) -> None:
        self.hand.now += seconds
        await turns()  # those who wait for a window learn of it
        self.pulse.look()


async def test_no_probe_runs_while_windows_are_scored() -> None:
    patient = Patient()
    for _ in range(5):
        window = patient.window()
        await patient.after(0.3)
        window.set_result(SCORED)
    await patient.after(9.0)
    assert len(patient.hand.waiting) == 5
    assert patient.told == []


async def test_a_faulty_window_is_not_blamed_on_the_model() -> None:
    patient = Patient()
    patient.window().set_result(FAILED)
    await patient.after(0.1)
    patient.hand.waiting[1].set_result(SCORED)  # the daemon's own
    await patient.after(0.1)
    assert patient.told == []
    assert patient.hand.lanes == 0
    await patient.after(0.1)
    assert len(patient.hand.waiting) == 2


async def test_a_model_that_fails_and_recovers() -> None:
    patient = Patient()
    patient.window().set_result(FAILED)
    await patient.after(0.1)
    patient.hand.waiting[1].set_result(FAILED)
    await patient.after(0.1)
    assert patient.told == [False]
    patient.hand.waiting[2].set_result(FAILED)  # the probe is repeated
    await patient.after(0.1)
    patient.hand.waiting[3].set_result(SCORED)
    await patient.after(0.1)
    assert patient.told == [False, True]


async def test_a_hanging_model_is_detected_within_two_deadlines() -> None:
    patient = Patient()
    patient.window()
    for _ in range(17):
        assert patient.told == []
        await patient.after(0.1)
    await patient.after(0.1)
    assert patient.told == [False]
    assert len(patient.hand.waiting) == 2
    assert patient.observed.oldest_seconds > 1.7
    for window in patient.hand.waiting:
        window.set_result(SCORED)
    await patient.after(0.1)
    assert patient.told == [False, True]
    assert patient.observed.oldest_seconds == 0.0


async def test_streams_faster_than_real_time_may_wait() -> None:
    patient = Patient()
    patient.window(Kind.PATIENT)
    await patient.after(30.0)
    assert len(patient.hand.waiting) == 1
