"""The number formats in which a network can run on a device."""

import torch

from dfd.errors import UserError

AUTO = "auto"
FP32 = "fp32"
INT8 = "int8"
DTYPES = {FP32: torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Largest difference in probability from float32 that `auto` accepts.
TOLERANCE = 0.01
# Each of these multiplies 8-bit integers and accumulates in 32 bits.
_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def fast_precisions(device: torch.device) -> tuple[str, ...]:
    """Returns the half precisions that the hardware computes faster than float32, best first.

    On a GPU both are equally fast, and fp16 comes first because it keeps three more bits; values
    that overflow it show in the comparison with float32. On a CPU bf16 comes first: its matrix
    units are wider.
    """
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        if major >= 8:
            return ("fp16", "bf16")
        return ("fp16",) if major == 7 else ()
    flags = cpu_flags()
    found = ("bf16", "fp16")
    return tuple(name for name in found if {f"amx_{name}", f"avx512_{name}"} & flags)


def has_int8(device: torch.device) -> bool:
    """Returns whether the device multiplies 8-bit integers, faster than float32."""
    return device.type == "cpu" and bool(_INT8_FLAGS & cpu_flags())


def cpu_flags() -> frozenset[str]:
    """Returns the instruction sets of this CPU, by torch's names ("avx512_bf16")."""
    return frozenset(name for name, value in torch.cpu.get_capabilities().items() if value is True)


def candidates(requested: str, device: torch.device) -> tuple[str, ...]:
    """Returns the precisions to try, in order: several only for `auto`, which ends with fp32.

    Raises:
        UserError: if the precision is unknown, or the hardware lacks it.
    """
    if requested == AUTO:
        return (*fast_precisions(device), FP32)
    if requested == INT8:
        if not has_int8(device):
            raise UserError(
                f"int8 was requested, but {device} has no instructions for it: "
                "use --precision auto or fp32"
            )
        return (INT8,)
    if requested not in DTYPES:
        raise UserError(f'"{requested}" is not a precision: use auto, fp32, bf16, fp16 or int8')
    if requested != FP32 and requested not in fast_precisions(device):
        raise UserError(
            f"{requested} was requested, but {device} has no instructions for it: "
            "use --precision auto or fp32"
        )
    return (requested,)
