"""The regression on all features, saved to score recordings later.

It cannot be served live, since the networks that the daemon runs do not compute spectral centroid,
entropy and MFCCs. Here it scores files.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from dfd.errors import UserError
from dfd.training.frozen.embedding import Embedder
from dfd.training.frozen.features import extract
from dfd.training.frozen.logreg import LinearModel
from dfd.training.frozen.recipe import FrozenRecipe
from dfd.training.frozen.spectral import names
from dfd.training.material.clips import Clips
from dfd.training.run.overrides import override
from dfd.training.weights.pretrained import load_backbone

if TYPE_CHECKING:
    from dfd.training.weights.pretrained import Backbone

FILE = "frozen.json"


@dataclass(frozen=True)
class FrozenModel:
    """A regression on all features, the recipe of the features, and the backbone's name."""

    regression: LinearModel
    recipe: FrozenRecipe
    backbone: str
    backbone_sha256: str

    @classmethod
    def of(cls, regression: LinearModel, backbone: Backbone, recipe: FrozenRecipe) -> FrozenModel:
        """Returns the model fitted on a backbone's features."""
        return cls(regression, recipe, backbone.name, backbone.sha256)

    def save(self, folder: Path) -> None:
        """Writes `frozen.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        hand = names(self.recipe.spectral)
        weights = self.regression.weights.tolist()
        content = {
            "backbone": self.backbone,
            "backbone_sha256": self.backbone_sha256,
            "recipe": asdict(self.recipe),
            "c": self.regression.c,
            "cross_validated_auc": self.regression.cross_validated,
            "bias": self.regression.bias,
            "spectral_weights": dict(zip(hand, weights, strict=False)),
            "embedding_weights": weights[len(hand) :],
        }
        (folder / FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> FrozenModel:
        """Reads what `save` wrote.

        Raises:
            UserError: if it is missing or broken.
        """
        try:
            content: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
            named = content["recipe"]
            recipe = override(
                FrozenRecipe(named["name"]),
                {key: value for key, value in named.items() if key != "name"},
            )
            hand = [content["spectral_weights"][name] for name in names(recipe.spectral)]
            regression = LinearModel(
                np.array(hand + content["embedding_weights"], dtype=np.float64),
                float(content["bias"]),
                float(content["c"]),
                float(content["cross_validated_auc"]),
            )
            return cls(regression, recipe, content["backbone"], content["backbone_sha256"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder / FILE} is not what dfd train wrote: {error}") from None

    def scores(
        self,
        clips: Clips,
        *,
        backbone: str | None = None,
        device: torch.device | None = None,
        workers: int = 1,
    ) -> npt.NDArray[np.float64]:
        """Returns the spoof log-odds of each recording (N,), NaN if it cannot be decoded.

        `backbone` says where the backbone is now.

        Raises:
            UserError: if it has other weights.
        """
        loaded = load_backbone(backbone or self.backbone)
        if loaded.sha256 != self.backbone_sha256:
            raise UserError(
                f"{loaded.name} does not have the weights that this model was fitted on"
            )
        embedder = Embedder(loaded)
        features = extract(
            clips,
            embedder,
            self.recipe,
            device=device or torch.device("cpu"),
            workers=workers,
        )
        return self.regression.scores(features.columns("all"))
