"""The devices that networks run on."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dfd import processors
from dfd.detector.buckets import SMALL_NETWORK
from dfd.detector.precision import cpu_flags
from dfd.errors import UserError

AUTO = "auto"


def resolve_device(requested: str = AUTO) -> torch.device:
    """Resolves `auto`, `cpu`, `cuda` or `cuda:N` to an existing device.

    Raises:
        UserError: if the device is unknown, or a GPU that this machine does not have.
    """
    if requested == AUTO:
        requested = "cuda" if torch.cuda.is_available() else "cpu"
    if requested == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(\d{1,3}))?", requested)
    if match is None:
        raise UserError(f'"{requested}" is not a device: use auto, cpu, cuda or cuda:N')
    if not torch.cuda.is_available():
        raise UserError(
            f"{requested} was requested, but no usable GPU was found: check nvidia-smi and that "
            "torch was installed with CUDA, or use --device cpu"
        )
    index = int(match[1] or 0)
    count = torch.cuda.device_count()
    if index >= count:
        raise UserError(
            f"{requested} was requested, but there are {count} GPUs: use cuda:0 to cuda:{count - 1}"
        )
    return torch.device("cuda", index)


def hardware(device: torch.device) -> str:
    """Describes the hardware: a GPU by its name, a CPU by its instruction sets."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return " ".join(sorted(cpu_flags()))


def out_of_memory(error: Exception) -> bool:
    """Returns whether a device ran out of memory; TorchScript hides the error's class."""
    said = str(error)
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        words in said for words in ("out of memory", "can't allocate memory")
    )


def release_cache(device: torch.device) -> None:
    """Releases GPU memory that torch holds without using it."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def threads_beside_streams(parameters: int) -> int | None:
    """Returns the threads for a network of this size in a daemon; None leaves torch's choice.

    A small network's windows cost about as much as the rest of a stream: on all cores its threads
    wait for one another while audio arrives. OMP_NUM_THREADS takes precedence.
    """
    if parameters > SMALL_NETWORK or "OMP_NUM_THREADS" in os.environ:
        return None
    return max(1, min(torch.get_num_threads(), processors.usable()) // 2)


@contextmanager
def one_thread() -> Iterator[None]:
    """Computes in one thread: for many small operations, whose threads would only wait."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def prepare_device(device: torch.device, threads: int | None) -> None:
    """Sets torch's process-wide settings.

    On a GPU, float32 means float32: TF32, the default of its convolutions, is turned off. Torch's
    own choice of threads is that of the whole machine: a container's quota lowers it.

    Args:
        device: the device that the network will run on.
        threads: CPU threads of torch's operators; None leaves torch's own choice.

    Raises:
        UserError: if `threads` is not positive.
    """
    if threads is not None:
        if threads < 1:
            raise UserError(f"{threads} threads were requested: use 1 or more")
        torch.set_num_threads(threads)
    elif torch.get_num_threads() > (most := processors.usable()):
        torch.set_num_threads(most)
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
