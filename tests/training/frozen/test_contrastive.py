import dataclasses

import numpy as np
import pytest
import torch

from dfd.evaluation.figures.metrics import auc
from dfd.training.frozen.contrastive import centroid_scores, draw_pairs, fit_projection
from dfd.training.frozen.recipe import ContrastiveOptions

OPTIONS = ContrastiveOptions(size=4, epochs=30, batch=32, learning_rate=1e-2)


def embeddings(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Makes embeddings with the label in the sign of one of 12 dimensions, beside louder ones."""
    draws = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    rows = draws.normal(size=(count, 12)) * 5.0 + 20.0
    rows[:, 3] = 0.01 * (2 * labels - 1 + 0.5 * draws.normal(size=count))
    return rows.astype(np.float32), labels


def test_pairs_are_of_the_same_and_of_the_other_label() -> None:
    labels = torch.tensor([0, 1, 0, 1, 0, 0, 1])
    sides = [torch.tensor([0, 2, 4, 5]), torch.tensor([1, 3, 6])]
    draws = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(40):
        reference = torch.randperm(7, generator=draws)
        positive, negative = draw_pairs(reference, labels, sides, draws)
        assert labels[positive].equal(labels[reference])
        assert labels[negative].equal(1 - labels[reference])
        assert not bool((positive == reference).any())
        seen |= set(zip(reference.tolist(), positive.tolist(), strict=True))
    assert len(seen) == 4 * 3 + 3 * 2


def test_a_lone_recording_is_its_own_positive() -> None:
    sides = [torch.tensor([0]), torch.tensor([1, 2])]
    draws = torch.Generator().manual_seed(0)
    positive, _ = draw_pairs(torch.tensor([0]), torch.tensor([0, 1, 1]), sides, draws)
    assert positive.tolist() == [0]


def test_labels_are_separated_in_the_projection() -> None:
    rows, labels = embeddings(400, 0)
    losses: list[float] = []
    made = fit_projection(rows, labels, OPTIONS, 1, lambda _epoch, loss: losses.append(loss))
    assert len(losses) == 30
    assert losses[-1] < losses[0] / 2
    others, truth = embeddings(200, 1)
    projected = made.apply(rows)
    assert projected.shape == (400, 4)
    assert auc(centroid_scores(made.apply(others), projected, labels), truth) > 0.95


def test_training_is_the_same_for_a_seed() -> None:
    rows, labels = embeddings(64, 0)
    short = dataclasses.replace(OPTIONS, epochs=2)
    one, two, other = (fit_projection(rows, labels, short, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.weights, two.weights)
    assert not np.array_equal(one.weights, other.weights)


def test_centroid_scores_are_higher_near_spoof() -> None:
    fitted = np.array([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0]])
    labels = np.array([0, 0, 1, 1])
    points = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    assert centroid_scores(points, fitted, labels) == pytest.approx([-4.0, 0.0, 4.0])
