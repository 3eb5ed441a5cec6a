"""What a daemon must know of an exported model: written beside it, read by whoever serves it."""

from dataclasses import dataclass
from typing import Self

import msgspec

from dfd.detector.spec import ModelSpec
from dfd.errors import UserError

# Triton passes tensors to TorchScript by the number that ends their names.
WINDOWS, LENGTHS, SCORES = "windows__0", "lengths__1", "scores__0"
FILE_NAME = "dfd.json"
# of the configuration of a model on Triton
PARAMETER = "dfd"


@dataclass(frozen=True, slots=True)
class Facts:
    """An exported model.

    Attributes:
        spec: as if it had been loaded; where it runs is for its server to say.
        least_samples: see `Checkpoint`.
    """

    spec: ModelSpec
    least_samples: int

    def to_json(self) -> str:
        """Returns them as one line of JSON."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            UserError: if it is something else, or of another version of dfd.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise UserError(
                f"the facts of the exported model cannot be read ({error}): "
                "export it again with this version of dfd"
            ) from None
