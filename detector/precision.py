"""Which number format a network runs in, and whether it scores the same as float32."""

import torch

from dfd.errors import UserError

AUTO = "auto"
FP32 = "fp32"
INT8 = "int8"
DTYPES = {FP32: torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Largest difference in probability from float32 that `auto` accepts.
TOLERANCE = 0.01
# Any of these multiplies 8-bit integers and adds them up in 32 bits.
_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def fast_precisions(device: torch.device) -> tuple[str, ...]:
    """The half precisions that the hardware computes faster than float32, best first.

    On a GPU both are equally fast and fp16, which keeps three more bits, comes first; what
    it cannot hold shows when it is compared with float32. On a CPU bf16 comes first: its
    matrix units are the wider ones.
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
    """Whether 8-bit products run here, and faster than float32."""
    return device.type == "cpu" and bool(_INT8_FLAGS & cpu_flags())


def cpu_flags() -> frozenset[str]:
    """The instruction sets of this CPU, in torch's words ("avx512_bf16")."""
    return frozenset(name for name, value in torch.cpu.get_capabilities().items() if value is True)


def candidates(requested: str, device: torch.device) -> tuple[str, ...]:
    """The precisions to try, in order; one unless `auto`, which ends with fp32.

    Raises:
        UserError: if the precision is unknown, or the hardware lacks it.
    """
    if requested == AUTO:
        return (*fast_precisions(device), FP32)
    if requested == INT8:
        if not has_int8(device):
            raise UserError(
                f"int8 was asked for and {device} has no instructions for it: "
                "use --precision auto or fp32"
            )
        return (INT8,)
    if requested not in DTYPES:
        raise UserError(f'"{requested}" is not a precision: use auto, fp32, bf16, fp16 or int8')
    if requested != FP32 and requested not in fast_precisions(device):
        raise UserError(
            f"{requested} was asked for and {device} has no instructions for it: "
            "use --precision auto or fp32"
        )
    return (requested,)
