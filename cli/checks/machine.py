"""Checks of the machine: processors and devices, sound, limits."""

import importlib.metadata
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

from dfd.cli.checks.finding import Finding, Level, Wanted
from dfd.errors import UserError
from dfd.processors import usable

_LEAST_FILES = 4096
_LEAST_FREE_BYTES = 1 << 30


def processors(wanted: Wanted) -> Iterator[Finding]:
    """Checks torch, torchaudio and the devices."""
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    torch_version = importlib.metadata.version("torch")
    audio_version = importlib.metadata.version("torchaudio")
    same = torch_version.split(".")[:2] == audio_version.split(".")[:2]
    yield Finding(
        "torch",
        Level.GOOD if same else Level.FAULT,
        f"{torch_version}, torchaudio {audio_version}",
        "" if same else "install torch and torchaudio of the same release, 2.11",
    )
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            name = torch.cuda.get_device_name(index)
            found = f"{name}, {free >> 20} of {total >> 20} MiB free"
            yield Finding(f"cuda:{index}", Level.GOOD, found)
        return
    level = Level.FAULT if wanted.device.startswith("cuda") else Level.NOTE
    why = "torch was built without CUDA" if torch.version.cuda is None else "none is usable"
    yield Finding(
        "GPU",
        level,
        why,
        "dfd needs none; if the machine has one, check whether nvidia-smi shows it",
    )


def sound(_: Wanted) -> Iterator[Finding]:
    """Checks whether there is a microphone."""
    from dfd.clients.sources.microphone import list_devices

    try:
        devices = list_devices()
    except UserError as error:
        yield Finding("microphone", Level.NOTE, str(error), "only dfd listen needs one")
        return
    default = next((device.name for device in devices if device.default), "")
    yield Finding(
        "microphone",
        Level.GOOD if devices else Level.NOTE,
        f"{len(devices)} inputs, {default or 'none'} by default" if devices else "none found",
        "" if devices else "only dfd listen needs one: connect it, or check the sound server",
    )


def limits(_: Wanted) -> Iterator[Finding]:
    """Checks open files, memory and disk space."""
    if importlib.util.find_spec("resource") is not None:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = 0 <= soft < _LEAST_FILES
        yield Finding(
            "open files",
            Level.NOTE if few else Level.GOOD,
            f"at most {soft if soft >= 0 else 'any number'}",
            f"each connection takes one: ulimit -n {min(hard, 65536) if hard > 0 else 65536}"
            if few
            else "",
        )
    available = _available_bytes()
    if available is not None:
        little = available < _LEAST_FREE_BYTES
        yield Finding(
            "memory",
            Level.NOTE if little else Level.GOOD,
            f"{available >> 20} MiB available, {usable()} usable processors",
            "torch and a model take about 1 GiB: free some memory" if little else "",
        )
    free = shutil.disk_usage(Path.home()).free
    little = free < _LEAST_FREE_BYTES
    yield Finding(
        "disk",
        Level.NOTE if little else Level.GOOD,
        f"{free >> 30} GiB free in {Path.home()}",
        "models from the hub and journals need space" if little else "",
    )


def _available_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None
