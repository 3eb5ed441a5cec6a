"""CPU time of a daemon and all processes below it, by what they are."""

from collections import Counter

import psutil

_CALLER = "dfd.daemon.cluster.ray_caller"


def cpu_seconds(root: int | None = None) -> Counter[str]:
    """Returns the CPU time so far of a process and all below it, by what they are.

    Args:
        root: the process; None means this one.
    """
    found: Counter[str] = Counter()
    top = psutil.Process(root)
    for one in [top, *top.children(recursive=True)]:
        try:
            times, words = one.cpu_times(), one.cmdline()
        except psutil.Error:
            continue
        name = (words or [one.name()])[0].split("/")[-1]
        if _CALLER in " ".join(words):
            name = "caller"
        elif name.startswith("ray::"):
            # an actor's name is followed by what it does now
            name = name.partition(".")[0]
        found["daemon" if one.pid == top.pid else name] += times.user + times.system
    return found
