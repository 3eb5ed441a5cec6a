"""Loads a pretrained Wav2Vec2 backbone, from a folder or from the hub's cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfd.errors import UserError

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model

# SpecAugment's embedding is not in every checkpoint; a new one does as well.
_MAY_BE_FRESH = {"masked_spec_embed"}


@dataclass
class Backbone:
    """`model` in float32 on the CPU; `normalises` is its preprocessor's `do_normalize`.

    `sha256` is the digest of its weights, tensor by tensor.
    """

    name: str
    model: Wav2Vec2Model
    normalises: bool
    sha256: str

    @property
    def masks(self) -> bool:
        """Whether its family takes an attention mask: extractors with layer norm do."""
        config: Any = self.model.config
        return bool(config.feat_extract_norm == "layer")


def load_backbone(name: str) -> Backbone:
    """Loads `bundled`, a folder, or a hub id, whatever head was saved with it.

    The hub's cache and its offline mode apply.

    Raises:
        UserError: if there is no such model, it is not a Wav2Vec2, or tensors are missing.
    """
    from transformers import AutoConfig, Wav2Vec2Model

    folder = _folder(name)
    try:
        with _quiet():
            config: Any = AutoConfig.from_pretrained(folder)
            if config.model_type != "wav2vec2":
                raise UserError(f"{name} is a {config.model_type}, not a wav2vec2")
            make: Any = Wav2Vec2Model
            model, found = make.from_pretrained(folder, output_loading_info=True)
    except UserError:
        raise
    except Exception as error:  # transformers and safetensors have several exceptions of their own
        said = " ".join(str(error).split())
        raise UserError(f"no backbone in {name}: {said[:200]}") from None
    missing = sorted(set(found["missing_keys"]) - _MAY_BE_FRESH)
    if missing:
        raise UserError(
            f"{name} lacks {len(missing)} tensors of its backbone ({missing[0]} is one): "
            "bring the whole model"
        )
    return Backbone(name, model.float().eval(), _normalises(folder), weights_digest(model))


def weights_digest(model: Any) -> str:
    """Returns the SHA-256 of a module's tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _folder(name: str) -> Path:
    """Returns the folder of a backbone's files, fetched to the hub's cache if needed."""
    from dfd.detector.files import hub
    from dfd.detector.files.bundled import BUNDLED, bundled_folder

    folder = bundled_folder() if name == BUNDLED else Path(name).expanduser()
    if not folder.is_dir():
        if not hub.is_hub_id(name):
            raise UserError(f"there is no backbone folder {name}")
        try:
            folder = hub.fetch(name)
        except UserError as error:
            raise UserError(str(error).replace("--model", "--backbone")) from None
    if not (folder / "config.json").exists():
        raise UserError(f"{name} has no config.json: name a folder that save_pretrained wrote")
    return folder


def _normalises(folder: Path) -> bool:
    """Reads `do_normalize` of the preprocessor; true, transformers' default, if it is not given."""
    file = folder / "preprocessor_config.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {error}") from None
    return bool(content.get("do_normalize", True))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers from reporting unused heads, which are expected."""
    from transformers.utils import logging as package

    logging: Any = package
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
