import asyncio
import itertools
from collections.abc import Callable

import numpy as np
import pytest

from dfd.daemon.metrics import Metrics
from dfd.daemon.scheduling.batching import Kind, Lane, Outcome
from dfd.daemon.scheduling.combined import (
    CascadeScheduler,
    CombinedScheduler,
    FusedScheduler,
)
from dfd.daemon.scheduling.contract import ServedModel
from dfd.detector.fusion import Cascade, Fusion
from dfd.detector.spec import FusionSpec, MemberSpec
from dfd.streaming.types import Samples, WindowStatus
from tests.daemon.harness import make_spec
from tests.waiting import turns

SCORED, FAILED, SHED = WindowStatus.SCORED, WindowStatus.FAILED, WindowStatus.SHED
WINDOW = np.zeros(8, np.float32)


class ByHand:
    """A scheduler whose windows the test resolves."""

    def __init__(self) -> None:
        self.open: list[Lane] = []
        self.asked: list[tuple[asyncio.Future[Outcome], float, Kind, int]] = []

    @property
    def clock(self) -> Callable[[], float]:
        return asyncio.get_running_loop().time

    def open_lane(self) -> Lane:
        self.open.append(Lane())
        return self.open[-1]

    def close_lane(self, lane: Lane) -> None:
        self.open.remove(lane)

    def cancel_lane(self, lane: Lane) -> None:
        assert lane in self.open
        for future, *_ in self.asked:
            if not future.done():
                future.set_result(Outcome(SHED))

    def submit(
        self, lane: Lane, samples: Samples, *, due_at: float, kind: Kind, channel: int = 0
    ) -> asyncio.Future[Outcome]:
        assert lane in self.open
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.asked.append((future, due_at, kind, channel))
        return future

    def say(self, outcome: Outcome) -> None:
        self.asked[-1][0].set_result(outcome)


def scored(llr: float, queue: float = 0.1) -> Outcome:
    return Outcome(SCORED, llr, queue, 0.01, 4)


class Two:
    """Two scripted models in combination."""

    def __init__(self, how: str) -> None:
        self.a, self.b, self.metrics = ByHand(), ByHand(), Metrics()
        fitted = FusionSpec((MemberSpec("a", 1.0), MemberSpec("b", 3.0)))
        specs = [make_spec(name="a"), make_spec(name="b", fusion=fitted)]
        served = [
            ServedModel(spec, hand, seconds_each=itertools.repeat(cost).__next__)
            for spec, hand, cost in zip(specs, (self.a, self.b), (0.01, 1.0), strict=True)
        ]
        self.scheduler: CombinedScheduler
        if how == "fusion":
            self.scheduler = FusedScheduler(served, Fusion(specs), self.metrics)
        else:
            cascade = Cascade(specs[0], specs[1], 0.2)
            self.scheduler = CascadeScheduler(served[0], served[1], cascade, self.metrics)
        self.lane = self.scheduler.open_lane()

    def submit(
        self, kind: Kind = Kind.LIVE, due_in: float = 60.0, channel: int = 0
    ) -> asyncio.Future[Outcome]:
        submit = self.scheduler.submit  # type: ignore[attr-defined]
        due_at = self.scheduler.clock() + due_in
        future: asyncio.Future[Outcome] = submit(
            self.lane, WINDOW, due_at=due_at, kind=kind, channel=channel
        )
        return future


def told(outcome: Outcome) -> list[tuple[str, WindowStatus, float | None]]:
    return [(one.model, one.status, one.spoof_llr) for one in outcome.members]


async def test_every_member_scores_and_their_llrs_are_added() -> None:
    two = Two("fusion")
    future = two.submit(channel=1)
    assert [hand.asked[0][1:] for hand in (two.a, two.b)] == [two.a.asked[0][1:]] * 2
    assert two.a.asked[0][3] == 1
    two.b.say(scored(1.0, queue=0.5))
    await turns(3)
    assert not future.done()
    two.a.say(scored(-2.0))
    outcome = await future
    assert (outcome.status, outcome.spoof_llr) == (SCORED, 1.0)
    assert told(outcome) == [("a", SCORED, -2.0), ("b", SCORED, 1.0)]
    assert (outcome.queue_seconds, outcome.batch_size) == (0.5, 4)
    assert two.metrics.value("dfd_member_windows_total", model="b", status="scored") == 1.0


async def test_a_late_member_delays_nothing_past_the_deadline() -> None:
    two = Two("fusion")
    future = two.submit(due_in=0.05)
    two.a.say(scored(-2.0))
    outcome = await asyncio.wait_for(future, 10.0)
    assert (outcome.status, outcome.spoof_llr) == (SCORED, -8.0)
    assert told(outcome) == [("a", SCORED, -2.0), ("b", SHED, None)]
    two.b.say(scored(5.0))  # its result is no longer awaited
    await turns(3)


async def test_past_the_deadline_the_first_result_decides() -> None:
    two = Two("fusion")
    future = two.submit(due_in=0.0)
    await turns(3)
    assert not future.done()
    two.a.say(Outcome(FAILED))
    await turns(3)
    assert not future.done()
    two.b.say(scored(1.0))
    assert told(await future) == [("a", FAILED, None), ("b", SCORED, 1.0)]


async def test_a_patient_window_waits_for_all() -> None:
    two = Two("fusion")
    future = two.submit(Kind.PATIENT, due_in=0.0)
    two.a.say(scored(-2.0))
    await turns(3)
    assert not future.done()
    two.b.say(scored(1.0))
    assert (await future).spoof_llr == 1.0


@pytest.mark.parametrize(
    ("a", "b", "together"), [(FAILED, FAILED, FAILED), (SHED, FAILED, FAILED), (SHED, SHED, SHED)]
)
async def test_without_scores_there_is_no_score(
    a: WindowStatus, b: WindowStatus, together: WindowStatus
) -> None:
    two = Two("fusion")
    future = two.submit()
    two.a.say(Outcome(a))
    two.b.say(Outcome(b))
    outcome = await future
    assert (outcome.status, outcome.spoof_llr) == (together, None)


async def test_an_exception_of_a_member_is_a_failure() -> None:
    two = Two("fusion")
    future = two.submit()
    two.a.asked[0][0].set_exception(ValueError("a fault"))
    two.b.say(scored(1.0))
    assert told(await future) == [("a", FAILED, None), ("b", SCORED, 1.0)]


@pytest.mark.parametrize("how", ["fusion", "cascade"])
async def test_a_stream_has_a_lane_in_every_member_until_it_ends(how: str) -> None:
    two = Two(how)
    assert len(two.a.open) == len(two.b.open) == 1
    future = two.submit()
    two.scheduler.cancel_lane(two.lane)
    assert (await future).status is SHED
    two.scheduler.close_lane(two.lane)
    assert two.a.open == two.b.open == []


async def test_clearly_human_windows_stay_with_the_cheap_model() -> None:
    two = Two("cascade")
    future = two.submit()
    two.a.say(scored(-2.0))
    outcome = await future
    assert outcome.spoof_llr == -2.0
    assert told(outcome) == [("a", SCORED, -2.0)]
    assert two.b.asked == []
    kept = {"cascade": "a-then-b", "went": "kept"}
    assert two.metrics.value("dfd_cascade_windows_total", **kept) == 1.0


@pytest.mark.parametrize("first", [scored(-1.0), scored(7.0), Outcome(FAILED)])
async def test_other_windows_are_escalated_and_the_expensive_model_decides(first: Outcome) -> None:
    two = Two("cascade")
    future = two.submit(channel=1)
    assert two.b.asked == []
    two.a.say(first)
    await turns(3)
    assert two.b.asked[0][1:] == two.a.asked[0][1:]
    two.b.say(scored(-3.0))
    outcome = await future
    assert outcome.spoof_llr == -3.0
    assert [one.model for one in outcome.members] == ["a", "b"]
    on = {"cascade": "a-then-b", "went": "on"}
    assert two.metrics.value("dfd_cascade_windows_total", **on) == 1.0


async def test_near_an_alert_all_windows_of_the_channel_are_escalated() -> None:
    two = Two("cascade")
    two.lane.near_alert.add(1)
    two.submit(channel=0)
    two.a.say(scored(-9.0))
    await turns(3)
    assert two.b.asked == []
    two.submit(channel=1)
    two.a.say(scored(-9.0))
    await turns(3)
    assert len(two.b.asked) == 1


@pytest.mark.parametrize("late", [Outcome(SHED), Outcome(FAILED), None])
async def test_without_an_expensive_score_the_cheap_one_counts(late: Outcome | None) -> None:
    two = Two("cascade")
    future = two.submit(due_in=0.05)
    two.a.say(scored(2.0))
    await turns(3)
    if late is not None:
        two.b.say(late)
    outcome = await asyncio.wait_for(future, 10.0)
    assert (outcome.status, outcome.spoof_llr) == (SCORED, 2.0)
    assert outcome.members[1].status is (SHED if late is None else late.status)


async def test_nothing_is_escalated_for_an_ended_stream() -> None:
    two = Two("cascade")
    future = two.submit()
    two.scheduler.close_lane(two.lane)
    two.a.say(scored(7.0))
    await future
    assert two.b.asked == []


async def test_the_cost_of_a_cascade_includes_escalated_windows() -> None:
    two = Two("cascade")
    assert isinstance(two.scheduler, CascadeScheduler)
    assert two.scheduler.seconds_each() == pytest.approx(1.01)
    for _ in range(300):
        future = two.submit()
        two.a.say(scored(-9.0))
        await future
    assert two.scheduler.seconds_each() == pytest.approx(0.01, abs=0.01)
