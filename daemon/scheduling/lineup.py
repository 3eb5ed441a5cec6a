"""The models that a daemon serves, by the names that streams ask for."""

from collections.abc import Sequence

from dfd.daemon.scheduling.contract import ServedModel
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError


def check_names(specs: Sequence[ModelSpec]) -> None:
    """Ensures that each name stands for one model.

    Raises:
        UserError: if two have the same.
    """
    names = [spec.name for spec in specs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(
            f"two models are called {twice}: give one another name in the dfd.json beside it"
        )


def line_up(models: Sequence[ServedModel]) -> dict[str, ServedModel]:
    """The models that streams may ask for, by name; the first is for streams that name none.

    Raises:
        UserError: if two have the same name.
    """
    check_names([model.spec for model in models])
    return {model.spec.name: model for model in models}
