"""JSON objects stored with a model's weights."""

import json
from pathlib import Path
from typing import Any

from dfd.errors import UserError


def read_object(path: Path) -> dict[str, Any]:
    """Reads a file that contains one JSON object.

    Raises:
        UserError: if it is missing, unreadable or contains anything else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing: copy the whole folder that the model was saved in"
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, not JSON
        raise UserError(f"{path} is not JSON ({error}): copy it again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a JSON object: copy it again")
    return content


class Fields:
    """The fields of one JSON object, with type checks.

    Every getter raises UserError, naming file and field, if the value has the wrong type; an absent
    or null field gives the default.
    """

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self.path = path
        self.content = content

    def text(self, key: str, default: str, allowed: tuple[str, ...] = ()) -> str:
        """Returns a string, which must be one of `allowed` if that is given."""
        value = self._get(key, default)
        wanted = " or ".join(f'"{word}"' for word in allowed) or "a string"
        self.require(isinstance(value, str) and (not allowed or value in allowed), key, wanted)
        return str(value)

    def flag(self, key: str, default: bool) -> bool:
        """Returns a boolean."""
        value = self._get(key, default)
        self.require(isinstance(value, bool), key, "true or false")
        return bool(value)

    def integer(self, key: str, default: int, least: int, most: int = 2**31 - 1) -> int:
        """Returns a whole number within a range."""
        value = self._get(key, default)
        whole = isinstance(value, int) and not isinstance(value, bool)
        self.require(whole and least <= value <= most, key, f"a whole number from {least}")
        return int(value)

    def number(self, key: str, default: float, least: float, most: float) -> float:
        """Returns a finite number within a range."""
        value = self._get(key, default)
        real = isinstance(value, int | float) and not isinstance(value, bool)
        self.require(real and least <= value <= most, key, f"a number from {least:g} to {most:g}")
        return float(value)

    def integers(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """Returns a non-empty list of positive whole numbers."""
        value = self._get(key, list(default))
        self.require(
            isinstance(value, list)
            and bool(value)
            and all(
                isinstance(one, int) and not isinstance(one, bool) and one > 0 for one in value
            ),
            key,
            "a list of positive whole numbers",
        )
        return tuple(value)

    def nested(self, key: str) -> "Fields":
        """Returns a nested object; empty if there is none."""
        value = self._get(key, {})
        self.require(isinstance(value, dict), key, "an object")
        return Fields(self.path, value)

    def objects(self, key: str) -> list["Fields"]:
        """Returns a nested list of objects; empty if there is none."""
        value = self._get(key, [])
        fine = isinstance(value, list) and all(isinstance(one, dict) for one in value)
        self.require(fine, key, "a list of objects")
        return [Fields(self.path, one) for one in value]

    def require(self, condition: bool, key: str, wanted: str) -> None:
        """Raises unless a condition on one of the fields holds."""
        if not condition:
            value = json.dumps(self.content.get(key), default=str)
            raise UserError(f"{self.path}: {key} is {value}; it must be {wanted}")

    def _get(self, key: str, default: Any) -> Any:
        value = self.content.get(key)
        return default if value is None else value
