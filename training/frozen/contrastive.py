"""The contrastive branch: a linear projection that puts recordings of one label close together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from dfd.training.frozen.recipe import ContrastiveOptions

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Projection:
    """Takes embeddings x (D,) to `weights` x + `bias`, `weights` (K, D). Includes the scaling."""

    weights: FloatArray
    bias: FloatArray

    def apply(self, embeddings: npt.NDArray[np.floating]) -> FloatArray:
        """Projects (N, D) to (N, K)."""
        return np.asarray(embeddings.astype(np.float64) @ self.weights.T + self.bias)


def fit_projection(
    embeddings: npt.NDArray[np.floating],
    labels: IntArray,
    options: ContrastiveOptions,
    seed: int,
    report: Callable[[int, float], None] = lambda _epoch, _loss: None,
) -> Projection:
    """Trains on embeddings (N, D), scaled to unit variance, with labels (N,).

    Each epoch takes every recording once as the reference, with a positive (another recording of
    its label) and a negative drawn at random. `report` gets the epoch, from 1, and its mean loss.
    """
    mean, spread = embeddings.mean(0), embeddings.std(0)
    spread = np.where(spread > 0, spread, 1.0)
    rows = torch.from_numpy(((embeddings - mean) / spread).astype(np.float32))
    draws = torch.Generator().manual_seed(seed)
    linear = nn.Linear(rows.shape[1], options.size)
    with torch.no_grad():
        bound = rows.shape[1] ** -0.5
        for parameter in linear.parameters():
            parameter.uniform_(-bound, bound, generator=draws)
    optimizer = torch.optim.Adam(linear.parameters(), lr=options.learning_rate)
    loss_of = nn.TripletMarginLoss(margin=options.margin, p=2)
    sides = [torch.from_numpy(np.flatnonzero(labels == label)) for label in (0, 1)]
    truth = torch.from_numpy(labels)
    for epoch in range(1, options.epochs + 1):
        total = 0.0
        order = torch.randperm(len(rows), generator=draws)
        for reference in torch.split(order, options.batch):
            positive, negative = draw_pairs(reference, truth, sides, draws)
            loss = loss_of(linear(rows[reference]), linear(rows[positive]), linear(rows[negative]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(reference)
        report(epoch, total / len(rows))
    weights = linear.weight.detach().double().numpy() / spread
    return Projection(weights, linear.bias.detach().double().numpy() - weights @ mean)


def draw_pairs(
    reference: Tensor, labels: Tensor, sides: list[Tensor], draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draws one positive and one negative (B,) for each reference (B,).

    `sides` has the rows of each label. A positive is another recording if there is one.
    """
    positive, negative = torch.empty_like(reference), torch.empty_like(reference)
    for label, side in enumerate(sides):
        mine = labels[reference] == label
        count = int(mine.sum())
        # a step of 1 to n - 1 from the reference's own row never ends on that row
        own = torch.searchsorted(side, reference[mine])
        step = torch.randint(1, max(2, len(side)), (count,), generator=draws)
        positive[mine] = side[(own + step) % len(side)]
        other = sides[1 - label]
        negative[mine] = other[torch.randint(0, len(other), (count,), generator=draws)]
    return positive, negative


def centroid_scores(projected: FloatArray, fitted: FloatArray, labels: IntArray) -> FloatArray:
    """Returns the distance to the bona fide centroid minus that to the spoof one (N,).

    The centroids are those of `fitted` (M, K) with `labels` (M,).
    """
    human, spoof = (
        np.linalg.norm(projected - fitted[labels == label].mean(0), axis=1) for label in (0, 1)
    )
    return np.asarray(human - spoof)
