import pytest
import torch

from dfd import processors
from dfd.detector.devices import (
    one_thread,
    prepare_device,
    resolve_device,
    threads_beside_streams,
)
from dfd.errors import UserError


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu() -> None:
    assert resolve_device("auto") == resolve_device("cpu") == torch.device("cpu")
    for word in ("cuda", "cuda:0"):
        with pytest.raises(UserError, match=f"{word} was requested, but no usable GPU"):
            resolve_device(word)


@pytest.mark.usefixtures("gpus")
def test_with_gpus() -> None:
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda", 0)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match="cuda:2 was requested, but there are 2 GPUs"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("word", ["gpu", "cuda:", "cuda:x", "", "mps", "CPU"])
def test_other_words(word: str) -> None:
    with pytest.raises(UserError, match="is not a device: use auto, cpu, cuda or cuda:N"):
        resolve_device(word)


def test_fp32_on_a_gpu_is_not_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    prepare_device(torch.device("cuda", 0), None)
    assert not torch.backends.cudnn.allow_tf32


def test_a_small_network_leaves_half_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(processors, "usable", lambda: 8)
    assert threads_beside_streams(500_000) == 4
    assert threads_beside_streams(94_000_000) is None
    monkeypatch.setattr(processors, "usable", lambda: 4)
    assert threads_beside_streams(500_000) == 2
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert threads_beside_streams(500_000) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_beside_streams(500_000) is None


def test_the_number_of_threads_comes_back_even_after_a_mistake() -> None:
    torch.set_num_threads(2)
    with one_thread():
        assert torch.get_num_threads() == 1
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
