import numpy as np

from dfd.daemon.rpc.turns import Turn, Turns
from dfd.daemon.scheduling.batching import Outcome
from dfd.streaming.types import Window, WindowStatus

SCORED = Outcome(WindowStatus.SCORED, 1.0)


def turn(channel: int, sequence: int) -> Turn:
    silence = np.zeros(16_000, np.float32)
    return Turn(
        Window(channel, sequence, 0, 16_000, 16_000, silence, 1.0, 0.0, False, False, True), 0.0
    )


def test_a_window_waits_for_those_before_it() -> None:
    turns = Turns([0])
    first, second, third = (turn(0, number) for number in range(3))
    for one in (first, second, third):
        turns.add(one)
    second.outcome = SCORED
    assert list(turns.take(0)) == []
    assert turns.longest == 3
    first.outcome = Outcome(WindowStatus.FAILED)
    assert [(one, outcome.status) for one, outcome in turns.take(0)] == [
        (first, WindowStatus.FAILED),
        (second, WindowStatus.SCORED),
    ]
    assert turns.longest == 1


def test_channels_do_not_wait_for_each_other() -> None:
    turns = Turns([0, 2])
    slow, quick = turn(0, 0), turn(2, 0)
    turns.add(slow)
    turns.add(quick)
    quick.outcome = SCORED
    assert [one for one, _ in turns.take(2)] == [quick]
    assert (turns.channel_count, turns.longest) == (2, 1)
    turns.drop()
    assert turns.longest == 0
