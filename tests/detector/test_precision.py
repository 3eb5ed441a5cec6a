import pytest
import torch

from dfd.detector import precision
from dfd.errors import UserError

CPU = torch.device("cpu")
GPU = torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (set(), ("fp32",)),
        ({"avx512_f", "avx512_vnni"}, ("fp32",)),
        ({"avx512_bf16"}, ("bf16", "fp32")),
        ({"amx_bf16", "avx512_fp16"}, ("bf16", "fp16", "fp32")),
    ],
)
def test_auto_on_a_cpu(
    flags: set[str], expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset(flags))
    assert precision.candidates("auto", CPU) == expected


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ((9, 0), ("fp16", "bf16", "fp32")),
        ((8, 0), ("fp16", "bf16", "fp32")),
        ((7, 5), ("fp16", "fp32")),
        ((6, 1), ("fp32",)),
    ],
)
def test_auto_on_a_gpu(
    capability: tuple[int, int], expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert precision.candidates("auto", GPU) == expected


def test_requested_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"amx_bf16"}))
    assert precision.candidates("fp32", CPU) == ("fp32",)
    assert precision.candidates("bf16", CPU) == ("bf16",)
    with pytest.raises(UserError, match="fp16 was requested, but cpu has no instructions"):
        precision.candidates("fp16", CPU)
    with pytest.raises(UserError, match='"int4" is not a precision: use auto'):
        precision.candidates("int4", CPU)


def test_this_cpu_has_flags() -> None:
    flags = precision.cpu_flags()
    assert all(isinstance(flag, str) for flag in flags)
