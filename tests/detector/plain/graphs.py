"""AASIST's graphs, from the paper and the published configuration."""

import itertools

import torch
from torch import Tensor
from torch.nn import functional

Tensors = dict[str, Tensor]


def linear(state: Tensors, name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def norm(state: Tensors, name: str, x: Tensor, dim: int = -1) -> Tensor:
    """Batch norm by the running statistics, over the dimension `dim`."""
    shape = [1] * x.dim()
    shape[dim] = -1
    mean, variance = (state[f"{name}.running_{part}"].view(shape) for part in ("mean", "var"))
    weight, bias = (state[f"{name}.{part}"].view(shape) for part in ("weight", "bias"))
    return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def attend(state: Tensors, name: str, x: Tensor, temperature: float) -> Tensor:
    """One graph: nodes (N, D) of one window."""
    seen = []
    for node in x:
        marks = (
            torch.tanh(linear(state, f"{name}.att_proj", node * x)) @ state[f"{name}.att_weight"]
        )
        seen.append((torch.softmax(marks[:, 0] / temperature, 0)[:, None] * x).sum(0))
    y = linear(state, f"{name}.proj_with_att", torch.stack(seen))
    return functional.selu(
        norm(state, f"{name}.bn", y + linear(state, f"{name}.proj_without_att", x))
    )


def attend_jointly(
    state: Tensors, name: str, one: Tensor, two: Tensor, master: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Two graphs (N, D), (M, D) and their master (1, D)."""
    x = torch.cat(
        [linear(state, f"{name}.proj_type1", one), linear(state, f"{name}.proj_type2", two)]
    )
    kinds = [1] * len(one) + [2] * len(two)
    seen = []
    for node, kind in zip(x, kinds, strict=True):
        marks = []
        for other, other_kind in zip(x, kinds, strict=True):
            pair = f"{kind}{other_kind}" if kind == other_kind else "12"
            tanh = torch.tanh(linear(state, f"{name}.att_proj", node * other))
            marks.append((tanh @ state[f"{name}.att_weight{pair}"])[0])
        weights = torch.softmax(torch.stack(marks) / temperature, 0)
        seen.append((weights[:, None] * x).sum(0))
    of_master = (
        torch.tanh(linear(state, f"{name}.att_projM", x * master)) @ state[f"{name}.att_weightM"]
    )
    gathered = (torch.softmax(of_master / temperature, 0) * x).sum(0, keepdim=True)
    master = linear(state, f"{name}.proj_with_attM", gathered) + linear(
        state, f"{name}.proj_without_attM", master
    )
    y = linear(state, f"{name}.proj_with_att", torch.stack(seen))
    y = functional.selu(norm(state, f"{name}.bn", y + linear(state, f"{name}.proj_without_att", x)))
    return y[: len(one)], y[len(one) :], master


def pool(state: Tensors, name: str, x: Tensor, ratio: float, least: int = 1) -> Tensor:
    marks = torch.sigmoid(linear(state, f"{name}.proj", x))[:, 0]
    order = sorted(range(len(x)), key=lambda node: -float(marks[node]))
    return torch.stack([x[node] * marks[node] for node in order[: max(least, int(len(x) * ratio))]])


def classify(
    state: Tensors, bands: Tensor, frames: Tensor, ratios: tuple[float, float, float]
) -> Tensor:
    """Logits (2,) of nodes (bands, D) and (frames, D) of one window."""
    spectral = attend(state, "GAT_layer_S", bands + state["pos_S"][0], 2.0)
    spectral = pool(state, "pool_S", spectral, ratios[0])
    temporal = pool(state, "pool_T", attend(state, "GAT_layer_T", frames, 2.0), ratios[1])
    ways = []
    for way in ("1", "2"):
        master = state[f"master{way}"][0]
        time, band, master = attend_jointly(
            state, f"HtrgGAT_layer_ST{way}1", temporal, spectral, master, 100.0
        )
        band = pool(state, f"pool_hS{way}", band, ratios[2])
        time = pool(state, f"pool_hT{way}", time, ratios[2])
        more = attend_jointly(state, f"HtrgGAT_layer_ST{way}2", time, band, master, 100.0)
        ways.append((time + more[0], band + more[1], master + more[2]))
    time, band, master = (torch.maximum(one, two) for one, two in zip(*ways, strict=True))
    gathered = [time.abs().amax(0), time.mean(0), band.abs().amax(0), band.mean(0), master[0]]
    return linear(state, "out_layer", torch.cat(gathered))


def block(state: Tensors, name: str, x: Tensor, pooled: int) -> Tensor:
    """A residual block on (C, bands, frames)."""
    y = functional.conv2d(
        x[None], state[f"{name}.conv1.weight"], state[f"{name}.conv1.bias"], padding=(1, 1)
    )
    y = functional.selu(norm(state, f"{name}.bn2", y, 1))
    y = functional.conv2d(
        y, state[f"{name}.conv2.weight"], state[f"{name}.conv2.bias"], padding=(0, 1)
    )[0]
    past = f"{name}.conv_downsample"
    if f"{past}.weight" in state:
        x = functional.conv2d(
            x[None], state[f"{past}.weight"], state[f"{past}.bias"], padding=(0, 1)
        )[0]
    y = y + x
    return functional.max_pool2d(y, (1, pooled)) if pooled > 1 else y


def sinc(samples: Tensor, count: int, width: int) -> Tensor:
    """Samples (N,) through mel-spaced band-passes, written as a difference of two low-passes."""
    top = 2595.0 * torch.log10(torch.tensor(1.0 + 8_000.0 / 700.0, dtype=torch.float64))
    edges = 700.0 * (
        10.0 ** (torch.arange(count + 1, dtype=torch.float64) / count * top / 2595.0) - 1.0
    )
    taps = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    window = 0.54 - 0.46 * torch.cos(2 * torch.pi * torch.arange(width) / (width - 1)).double()
    low_passes = [2 * edge / 16_000 * torch.sinc(2 * edge * taps / 16_000) for edge in edges]
    bands = torch.stack([window * (high - low) for low, high in itertools.pairwise(low_passes)])
    return functional.conv1d(samples.view(1, 1, -1), bands.float().to(samples)[:, None])[0]


def aasist(state: Tensors, samples: Tensor, ratios: tuple[float, float, float]) -> Tensor:
    """AASIST's logits (2,) of samples (N,)."""
    x = functional.max_pool2d(sinc(samples, 70, 129).abs()[None], (3, 3))
    x = functional.selu(norm(state, "first_bn", x, 0))
    for index in range(6):
        x = block(state, f"encoder.{index}.0", x, 3)
    return classify(state, x.abs().amax(2).T, x.abs().amax(1).T, ratios)
