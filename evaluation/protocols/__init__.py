"""The public data sets, each read from its own lists and folders as they are unpacked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dfd.evaluation.protocols import asvspoof2019, asvspoof2021, inthewild, wavefake
from dfd.evaluation.trials import TrialSet


class Protocol(NamedTuple):
    """How a set is read: `read(root, subset, keys)`; the first subset is the official one."""

    read: Callable[[Path, str, Path | None], TrialSet]
    subsets: tuple[str, ...]


PROTOCOLS = {
    "asvspoof2019-la": Protocol(asvspoof2019.read, asvspoof2019.SUBSETS),
    "asvspoof2021-la": Protocol(asvspoof2021.read, asvspoof2021.SUBSETS),
    "wavefake": Protocol(wavefake.read, wavefake.SUBSETS),
    "in-the-wild": Protocol(inthewild.read, inthewild.SUBSETS),
}
