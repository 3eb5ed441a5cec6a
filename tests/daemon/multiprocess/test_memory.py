import os
import subprocess
import sys

import numpy as np

from dfd.daemon.multiprocess.memory import Board, WindowSlots

TAKE = """
import sys
from dfd.daemon.multiprocess.memory import Board
board = Board(int(sys.argv[1]), 2, 1)
print(sum(board.take_seat(int(sys.argv[2]), 500) for _ in range(400)))
"""


def test_windows_are_seen_by_all_who_map_them() -> None:
    descriptor = WindowSlots.allocate(3, 5)
    ours, theirs = WindowSlots(descriptor, 5), WindowSlots(descriptor, 5)
    os.close(descriptor)
    assert ours.rows.shape == (3, 5)
    assert not theirs.rows.any()
    ours.rows[1] = np.arange(5)
    assert theirs.rows[1].tolist() == [0, 1, 2, 3, 4]


def test_places_are_counted_over_all_workers() -> None:
    board = Board(Board.allocate(2, 1), 2, 1)
    assert [board.take_seat(worker, 3) for worker in (0, 1, 1, 0)] == [True, True, True, False]
    assert board.seats == 3
    board.leave_seat(1)
    assert board.seats == 2
    board.clear_worker(0)
    assert board.seats == 1


def test_no_place_is_given_twice_to_processes_that_race() -> None:
    descriptor = Board.allocate(2, 1)
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
    assert Board(descriptor, 2, 1).seats == 500
    os.close(descriptor)


def test_the_load_of_an_engine_is_that_of_all_workers() -> None:
    descriptor = Board.allocate(3, 2)
    board = Board(descriptor, 3, 2)
    board.add_load(1, 0, 2)
    board.add_load(1, 2, 3)
    board.add_load(1, 0, -1)
    assert [Board(descriptor, 3, 2).load(engine) for engine in (0, 1)] == [0, 4]
    board.clear_worker(2)
    assert board.load(1) == 1
    os.close(descriptor)
