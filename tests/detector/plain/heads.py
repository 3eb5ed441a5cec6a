"""Heads on a backbone's states, and RawNet2, from their papers."""

import torch
from torch import Tensor
from torch.nn import functional

from tests.detector.plain.graphs import (
    Tensors,
    attend,
    block,
    classify,
    linear,
    norm,
    pool,
    sinc,
)


def ssl_aasist(state: Tensors, states: Tensor) -> Tensor:
    """Logits (2,) of the last states (T, hidden)."""
    x = functional.max_pool2d(linear(state, "LL", states).T[None], (3, 3))
    x = functional.selu(norm(state, "first_bn", x, 0))
    for index in range(6):
        x = block(state, f"encoder.{index}.0", x, 1)
    x = functional.selu(norm(state, "first_bn1", x, 0))
    y = functional.selu(_one_by_one(state, "attention.0", x))
    weights = _one_by_one(state, "attention.3", norm(state, "attention.2", y, 0))
    bands = (x * weights.softmax(2)).sum(2).T
    frames = (x * weights.softmax(1)).sum(1).T
    return classify(state, bands, frames, (0.5, 0.5, 0.5))


def _one_by_one(state: Tensors, name: str, x: Tensor) -> Tensor:
    return functional.conv2d(x[None], state[f"{name}.weight"], state[f"{name}.bias"])[0]


def sls(state: Tensors, layers: list[Tensor]) -> Tensor:
    """Log-probabilities (2,) of every layer's states (T, hidden)."""
    total = torch.zeros_like(layers[0])
    for layer in layers:
        total = total + layer * torch.sigmoid(linear(state, "fc0", layer.mean(0)))
    x = functional.selu(norm(state, "first_bn", total[None], 0))
    x = functional.max_pool2d(x, (3, 3)).flatten()
    x = functional.selu(linear(state, "fc1", x))
    return functional.selu(linear(state, "fc3", x)).log_softmax(0)


def nes2net_x(state: Tensors, states: Tensor, groups: int, dilation: int) -> Tensor:
    """Logits (2,) of the last states (T, hidden)."""
    parts = states.T.chunk(groups, 0)
    done: list[Tensor] = []
    for index in range(groups - 1):
        x = parts[0] if index == 0 else done[-1] + parts[index]
        x = _res2net(state, f"Build_in_Res2Nets.{index}", x, dilation)
        done.append(norm(state, f"bns.{index}", x.relu(), 0))
    x = norm(state, "bn", torch.cat([*done, parts[-1]]), 0).relu()
    if "pooling.linear1.weight" in state:
        marks = _conv(state, "pooling.linear2", _conv(state, "pooling.linear1", x).tanh())
        weights = marks.softmax(1)
        mean = (weights * x).sum(1)
        variance = (weights * x**2).sum(1) - mean**2
        return linear(state, "fc", torch.cat([mean, variance.clamp(min=1e-10).sqrt()]))
    return linear(state, "fc", x.mean(1))


def _conv(state: Tensors, name: str, x: Tensor) -> Tensor:
    return functional.conv1d(x[None], state[f"{name}.weight"], state[f"{name}.bias"])[0]


def _res2net(state: Tensors, name: str, x: Tensor, dilation: int) -> Tensor:
    """One Res2Net on (C, T): each column goes with the last part through the same filter."""
    y = norm(state, f"{name}.bn1", _conv(state, f"{name}.conv1", x).relu(), 0)
    width = state[f"{name}.convs.0.weight"].shape[0]
    parts = torch.split(y, width, 0)
    columns = [parts[-1]]
    sums = []
    for index, part in enumerate(parts[:-1]):
        columns = [*columns, part]
        filtered = []
        for column in columns:
            z = functional.conv1d(
                column[None],
                state[f"{name}.convs.{index}.weight"][..., 0],
                state[f"{name}.convs.{index}.bias"],
                padding=dilation,
                dilation=dilation,
            )[0]
            filtered.append(norm(state, f"{name}.bns.{index}", z.relu(), 0))
        columns = filtered
        weights = state[f"{name}.weighted_sum.{index}"].flatten()
        sums.append(sum(w * column for w, column in zip(weights, columns, strict=True)))
    y = _conv(state, f"{name}.conv3", torch.cat([*sums, parts[-1]]))
    y = norm(state, f"{name}.bn3", y.relu(), 0)
    waist = _conv(state, f"{name}.se.se.1", y.mean(1, keepdim=True)).relu()
    return y * torch.sigmoid(_conv(state, f"{name}.se.se.3", waist)) + x


def rawnet2(state: Tensors, samples: Tensor, filters: int) -> Tensor:
    """Logits (2,) of samples (N,)."""
    x = functional.max_pool1d(sinc(samples, filters, 1_025).abs(), 3)
    x = functional.selu(norm(state, "first_bn", x, 0))
    for index in range(6):
        name = f"block{index}.0"
        y = _wide(state, f"{name}.conv1", x)
        y = functional.leaky_relu(norm(state, f"{name}.bn2", y, 0), 0.3)
        y = _wide(state, f"{name}.conv2", y)
        past = f"{name}.conv_downsample"
        y = y + (_conv(state, past, x) if f"{past}.weight" in state else x)
        y = functional.max_pool1d(y, 3)
        gate = torch.sigmoid(linear(state, f"fc_attention{index}.0", y.mean(1)))[:, None]
        x = y * gate + gate
    x = functional.selu(norm(state, "bn_before_gru", x, 0)).T
    layer = 0
    while f"gru.weight_hh_l{layer}" in state:
        x = _gru(state, layer, x)
        layer += 1
    return linear(state, "fc2_gru", linear(state, "fc1_gru", x[-1]))


def _wide(state: Tensors, name: str, x: Tensor) -> Tensor:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return functional.conv1d(x[None], weight, bias, padding=1)[0]


def _gru(state: Tensors, layer: int, x: Tensor) -> Tensor:
    """One layer's states (T, hidden), from torch's documentation of the equations."""
    hidden = torch.zeros(state[f"gru.weight_hh_l{layer}"].shape[1]).to(x)
    states = []
    for frame in x:
        given = state[f"gru.weight_ih_l{layer}"] @ frame + state[f"gru.bias_ih_l{layer}"]
        kept = state[f"gru.weight_hh_l{layer}"] @ hidden + state[f"gru.bias_hh_l{layer}"]
        (r, z, n), (kr, kz, kn) = given.chunk(3), kept.chunk(3)
        update = torch.sigmoid(z + kz)
        fresh = torch.tanh(n + torch.sigmoid(r + kr) * kn)
        hidden = (1 - update) * fresh + update * hidden
        states.append(hidden)
    return torch.stack(states)


def rawgat_st(state: Tensors, samples: Tensor) -> Tensor:
    """Logits (2,) of samples (64600,)."""
    x = functional.max_pool2d(sinc(samples, 70, 129).abs()[None], (3, 3))
    x = functional.selu(norm(state, "first_bn", x, 0))
    maps = []
    for encoder in ("encoder1", "encoder2"):
        y = x
        for index in range(6):
            y = _rawgat_block(state, f"{encoder}.{index}.0", y, first=index == 0)
        maps.append(y.abs())
    bands = attend(state, "GAT_layer_spectral", maps[0].amax(2).T, 1.0)
    frames = attend(state, "GAT_layer_temp", maps[1].amax(1).T, 1.0)
    spectral = linear(state, "proj_spectral", pool(state, "pool1", bands, 0.64, 2).T)
    temporal = linear(state, "proj_temp", pool(state, "pool2", frames, 0.81, 2).T)
    joint = attend(state, "GAT_layer_spectro_temp", (spectral * temporal).T, 1.0)
    kept = pool(state, "pool3", joint, 0.64, 2)
    return linear(state, "output_layer", linear(state, "proj_spectro_temp", kept)[:, 0])


def _rawgat_block(state: Tensors, name: str, x: Tensor, *, first: bool) -> Tensor:
    y = x if first else functional.selu(norm(state, f"{name}.bn1", x, 0))
    conv = f"{name}.conv_1" if first else f"{name}.conv1"
    y = functional.conv2d(y[None], state[f"{conv}.weight"], state[f"{conv}.bias"], padding=(1, 1))
    y = functional.selu(norm(state, f"{name}.bn2", y, 1))
    weight, bias = state[f"{name}.conv2.weight"], state[f"{name}.conv2.bias"]
    y = functional.conv2d(y, weight, bias, padding=(0, 1))[0]
    past = f"{name}.conv_downsample"
    if f"{past}.weight" in state:
        weight, bias = state[f"{past}.weight"], state[f"{past}.bias"]
        x = functional.conv2d(x[None], weight, bias, padding=(0, 1))[0]
    return functional.max_pool2d(y + x, (1, 3))
