import os
import subprocess
import sys

import numpy as np

from dfd.daemon.multiprocess.memory import SharedCounts, WindowSlots

TAKE = """
import sys
from dfd.daemon.multiprocess.memory import SharedCounts
counts = SharedCounts(int(sys.argv[1]), 2, 1)
print(sum(counts.acquire_stream(int(sys.argv[2]), 500) for _ in range(400)))
"""


def test_windows_are_visible_in_every_mapping() -> None:
    descriptor = WindowSlots.allocate(3, 5)
    ours, theirs = WindowSlots(descriptor, 5), WindowSlots(descriptor, 5)
    os.close(descriptor)
    assert ours.rows.shape == (3, 5)
    assert not theirs.rows.any()
    ours.rows[1] = np.arange(5)
    assert theirs.rows[1].tolist() == [0, 1, 2, 3, 4]


def test_slots_are_counted_over_all_workers() -> None:
    counts = SharedCounts(SharedCounts.allocate(2, 1), 2, 1)
    assert [counts.acquire_stream(worker, 3) for worker in (0, 1, 1, 0)] == [
        True,
        True,
        True,
        False,
    ]
    assert counts.streams == 3
    counts.release_stream(1)
    assert counts.streams == 2
    counts.clear_worker(0)
    assert counts.streams == 1


def test_racing_processes_never_get_the_same_slot() -> None:
    descriptor = SharedCounts.allocate(2, 1)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE, str(descriptor), str(worker)],
            pass_fds=[descriptor],
            stdout=subprocess.PIPE,
            text=True,
        )
        for worker in (0, 1)
    ]
    taken = [int(process.communicate(timeout=60)[0]) for process in both]
    assert sum(taken) == 500
    assert SharedCounts(descriptor, 2, 1).streams == 500
    os.close(descriptor)


def test_the_load_of_an_instance_includes_all_workers() -> None:
    descriptor = SharedCounts.allocate(3, 2)
    counts = SharedCounts(descriptor, 3, 2)
    counts.add_load(1, 0, 2)
    counts.add_load(1, 2, 3)
    counts.add_load(1, 0, -1)
    assert [SharedCounts(descriptor, 3, 2).load(instance) for instance in (0, 1)] == [0, 4]
    counts.clear_worker(2)
    assert counts.load(1) == 1
    os.close(descriptor)
