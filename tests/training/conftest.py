from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dfd.training.run.progress import Talk
from tests.tiny_corpus import make_corpus
from tests.training.backbones import LAYER_NORM, make_backbone
from tests.training.talk import silent_talk


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def base_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone of the base kind: group norm, no attention mask."""
    return make_backbone(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def xlsr_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone of the XLSR kind: layer norm, attention mask."""
    return make_backbone(tmp_path_factory.mktemp("xlsr"), normalises=True, **LAYER_NORM)


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def quiet() -> Talk:
    """Progress bars and lines without output."""
    return silent_talk()[0]
