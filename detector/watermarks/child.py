"""The process that reads watermarks for a daemon: `python -c "... main()" SCHEME,...`.

It reads windows from standard input and writes confidences to standard output, one after the other,
in the form that `records` defines. It has a low priority, and ends with its parent.
"""

from __future__ import annotations

import math
import os
import signal
import sys

import numpy as np

from dfd.detector.watermarks.records import REQUEST, reply
from dfd.detector.watermarks.schemes import named
from dfd.errors import UserError

_NICE = 10
_RATE_HZ = 16_000


def main() -> None:
    """Reads until standard input ends."""
    # a terminal sends them to the whole process group; only the daemon acts on them
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICE)
    import torch

    from dfd.detector.watermarks.readers import Readers

    torch.set_num_threads(1)
    schemes = named(sys.argv[1])
    readers = Readers(schemes)
    source, target = sys.stdin.buffer, sys.stdout.buffer
    # The first forward pass takes longer, so one is run on silence: its reply says that the process
    # is ready for windows.
    rate, samples = _RATE_HZ, np.zeros(_RATE_HZ, np.float32)
    while True:
        said = dict.fromkeys((scheme.name for scheme in schemes), math.nan)
        try:
            said.update((one.scheme, one.confidence) for one in readers.read(samples, rate))
        except UserError as error:
            sys.stderr.write(f"watermarks: {error}\n")
        target.write(reply(list(said.values())))
        target.flush()
        head = source.read(REQUEST.size)
        if len(head) < REQUEST.size:
            return
        rate, count = REQUEST.unpack(head)
        samples = np.frombuffer(source.read(4 * count), "<f4")
