"""Linear models on embeddings, as a classifier that can be served live.

The mean over time, scaling, projection and regression are all affine: together they are the
projection and the classifier of a `Wav2Vec2ForSequenceClassification`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from dfd.detector.networks.head import ProjectedMeanHead
from dfd.training.frozen.contrastive import Projection
from dfd.training.frozen.logreg import LinearModel
from dfd.training.weights.classifier import Classifier

if TYPE_CHECKING:
    from dfd.training.weights.pretrained import Backbone


def fold(
    backbone: Backbone, regression: LinearModel, projection: Projection | None = None
) -> Classifier:
    """Builds the classifier with the log-odds of a regression on embeddings or their projection."""
    hidden = regression.weights.size if projection is None else projection.weights.shape[1]
    if projection is None:
        # the regression itself is the projection, to a single number
        projection = Projection(regression.weights[None], np.array([regression.bias]))
        last, bias = np.ones(1), 0.0
    else:
        last, bias = regression.weights, regression.bias
    head = ProjectedMeanHead(hidden, len(projection.bias), 2)
    with torch.no_grad():
        _put(head.projector, projection.weights, projection.bias)
        _put(head.classifier, np.stack((np.zeros_like(last), last)), np.array([0.0, bias]))
    return Classifier(
        backbone.model, head, normalised=backbone.normalises, masked=backbone.masks
    ).eval()


def _put(
    layer: nn.Linear,
    weights: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    bias: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    layer.weight.copy_(torch.from_numpy(weights))
    layer.bias.copy_(torch.from_numpy(bias))
