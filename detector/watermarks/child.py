"""The process that reads watermarks for a daemon: `python -c "... main()" SCHEME...`.

Windows come on standard input and confidences go to standard output, one after the other, as
`records` says. It gives way to everything else on the machine, and ends with its parent.
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
    # they reach the whole group of a terminal: it is the daemon that decides
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICE)
    import torch

    from dfd.detector.watermarks.readers import Readers

    torch.set_num_threads(1)
    schemes = named(",".join(sys.argv[1:]))
    readers = Readers(schemes)
    source, target = sys.stdin.buffer, sys.stdout.buffer
    # the first forward pass takes longer; that it is answered is the sign that windows may come
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
