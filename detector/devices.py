"""Where a network runs."""

import os
import re

import torch

from dfd import processors
from dfd.detector.buckets import SMALL_NETWORK
from dfd.detector.precision import cpu_flags
from dfd.errors import UserError

AUTO = "auto"


def resolve_device(requested: str = AUTO) -> torch.device:
    """Turns `auto`, `cpu`, `cuda` or `cuda:N` into a device that is there.

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
            f"{requested} was asked for and no usable GPU was found: check nvidia-smi and that "
            "torch was installed with CUDA, or use --device cpu"
        )
    index = int(match[1] or 0)
    count = torch.cuda.device_count()
    if index >= count:
        raise UserError(
            f"{requested} was asked for and there are {count} GPUs: use cuda:0 to cuda:{count - 1}"
        )
    return torch.device("cuda", index)


def hardware(device: torch.device) -> str:
    """What computes: the card by its name, the CPU by its instruction sets."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return " ".join(sorted(cpu_flags()))


def out_of_memory(error: Exception) -> bool:
    """Whether a device's memory was too small; TorchScript hides the error's own class."""
    said = str(error)
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        words in said for words in ("out of memory", "can't allocate memory")
    )


def release_cache(device: torch.device) -> None:
    """Gives back what torch holds of a card's memory without using it."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def threads_beside_streams(parameters: int) -> int | None:
    """Threads for a network of so many parameters in a daemon; None leaves torch's choice.

    A small network's windows cost about as much as the rest of a stream: on all cores its threads
    wait for one another while audio comes in. OMP_NUM_THREADS stands.
    """
    if parameters > SMALL_NETWORK or "OMP_NUM_THREADS" in os.environ:
        return None
    return max(1, min(torch.get_num_threads(), processors.usable()) // 2)


def prepare_device(device: torch.device, threads: int | None) -> None:
    """Sets what torch keeps for the whole process.

    On a GPU, float32 means float32: TF32, the default of its convolutions, is turned off. Torch's
    own choice of threads is that of the whole machine: a container's quota lowers it.

    Args:
        device: where the network is going to run.
        threads: of torch's operators on the CPU; None leaves torch's own choice.

    Raises:
        UserError: if `threads` is not positive.
    """
    if threads is not None:
        if threads < 1:
            raise UserError(f"{threads} threads were asked for: use 1 or more")
        torch.set_num_threads(threads)
    elif torch.get_num_threads() > (most := processors.usable()):
        torch.set_num_threads(most)
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
