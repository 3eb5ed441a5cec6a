"""Drops tensors that training left in a file beside the network's, and logs their names."""

import logging
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from dfd.detector.files.tensors import listed

# first or second part of the name of a loss, an optimiser, a metric or an averaged copy
_WORDS = frozenset(
    {
        "criterion",
        "criterions",
        "loss",
        "loss_fn",
        "loss_func",
        "loss_function",
        "optimizer",
        "optim",
        "scheduler",
        "metric",
        "metrics",
        "train_metrics",
        "val_metrics",
        "valid_metrics",
        "ema",
        "ema_model",
        "model_ema",
        "ema_shadow",
        "shadow",
        "swa_model",
        "averaged_model",
        "teacher",
        "teacher_model",
        "n_averaged",
    }
)
# torch.compile inserts this into names
_COMPILED = "_orig_mod"

_LOGGER = logging.getLogger("dfd.detector")


def without_leftovers(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Removes what training left behind, and logs it.

    A file that contains nothing else (an averaged copy saved alone) is not changed.

    Args:
        tensors: tensors by name.
        path: path of the file, for the log.
    """
    plain = {_uncompiled(name): value for name, value in tensors.items()}
    if plain.keys() != tensors.keys():
        _LOGGER.info("%s: %s. of torch.compile left out of the names", path, _COMPILED)
    dropped = [name for name in plain if _is_leftover(name)]
    if not dropped or len(dropped) == len(plain):
        return plain
    _LOGGER.info("%s: %s left over from training and ignored", path, listed(dropped))
    gone = set(dropped)
    return {name: value for name, value in plain.items() if name not in gone}


def _uncompiled(name: str) -> str:
    return ".".join(part for part in name.split(".") if part != _COMPILED)


def _is_leftover(name: str) -> bool:
    return any(part in _WORDS for part in name.split(".")[:2])
