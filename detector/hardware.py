"""The processor and the memory of this machine, without torch."""

import contextlib
import platform
from pathlib import Path

from dfd import processors

_ROOT = Path("/")
_FLAGS = ("avx", "amx", "fma", "asimd", "sve", "bf16", "i8mm")


def cpu_identity(root: Path = _ROOT) -> str:
    """Describes the processor: its model and its vector instructions.

    Args:
        root: root of the file system.
    """
    model, flags = _processor(root)
    known = sorted(flag for flag in flags if any(part in flag for part in _FLAGS))
    return " ".join([model, *known])


def has_flag(flag: str, root: Path = _ROOT) -> bool:
    """Returns whether the processor has instructions, by Linux's name for them.

    Args:
        flag: the name, as in /proc/cpuinfo.
        root: root of the file system.
    """
    return flag in _processor(root)[1]


def _processor(root: Path) -> tuple[str, frozenset[str]]:
    """Returns the model of the first processor, and its flags."""
    model, flags = platform.processor() or platform.machine(), ""
    with contextlib.suppress(OSError):
        first, _, _ = (root / "proc/cpuinfo").read_text("utf-8", "replace").partition("\n\n")
        for line in first.splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                model = value.strip()
            elif name.strip() in ("flags", "Features"):
                flags = value
    return model, frozenset(flags.split())


def free_memory(root: Path = _ROOT) -> int | None:
    """Returns the bytes that this process may still take; None if it is not known.

    It is what the machine has left, or the process's control groups, whichever is less.

    Args:
        root: root of the file system.
    """
    found = [free for folder in processors.group_folders(root, "memory") for free in _left(folder)]
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = (root / "proc/meminfo").read_text().splitlines()
        found += [int(one.split()[1]) << 10 for one in lines if one.startswith("MemAvailable:")]
    return min(found, default=None)


def _left(folder: Path) -> list[int]:
    """Returns what is left of a control group's memory, if that is limited."""
    for most, used in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):  # "max" is no number: there is no limit
            return [int((folder / most).read_text()) - int((folder / used).read_text())]
    return []
