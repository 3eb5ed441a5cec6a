"""Checks of option values, with messages that name the option and what to use instead."""

import math
from collections.abc import Collection
from typing import Any

from dfd.errors import UserError


def require(condition: bool, message: str) -> None:
    """Raises a message as the user's mistake unless the condition holds.

    Raises:
        UserError: if it does not hold.
    """
    if not condition:
        raise UserError(message)


def require_counts(options: Any, *names: str) -> None:
    """Checks that each of these options is 1 or more, or None.

    Raises:
        UserError: if one is not.
    """
    for name in names:
        number: int | None = getattr(options, name)
        require(number is None or number >= 1, f"{_spoken(name)} is {number}; use 1 or more")


def require_seconds(options: Any, *names: str, zero: bool = False) -> None:
    """Checks that each of these options is finite and above 0.

    Args:
        options: whatever has them.
        names: their names.
        zero: whether 0 is possible too.

    Raises:
        UserError: if one is not.
    """
    for name in names:
        seconds: float = getattr(options, name)
        possible = math.isfinite(seconds) and (seconds > 0.0 or (zero and seconds == 0.0))
        wanted = "use 0 or more" if zero else "use more than 0"
        require(possible, f"{_spoken(name)} is {seconds}; {wanted}")


def require_choice(options: Any, name: str, choices: Collection[str], more: str = "") -> None:
    """Checks that an option is one of several words; `more` ends the message.

    Raises:
        UserError: if it is not.
    """
    value = getattr(options, name)
    require(value in choices, f"{_spoken(name)} is {value}; use one of {', '.join(choices)}{more}")


def _spoken(name: str) -> str:
    return name.replace("_", " ")
