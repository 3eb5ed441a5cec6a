import re
from typing import Any

import pytest

from dfd.daemon.model_choice import ModelChoice
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.model_slots import options_beside
from dfd.errors import UserError
from tests.daemon.harness import make_spec


def test_without_a_name_the_bundled_model_is_served() -> None:
    assert ModelChoice().models == ("bundled",)


def test_members_are_loaded_once_and_can_be_named_without_their_path() -> None:
    choice = ModelChoice(model=("nets/a.pt", "b.safetensors"), fuse=("a+b",), cascade=("b+c",))
    assert choice.members_of("a+b") == ("nets/a.pt", "b.safetensors")
    assert choice.models == ("nets/a.pt", "b.safetensors", "c")


def test_every_model_has_an_instance_on_every_device() -> None:
    options = ServeOptions(model=("a", "b"), device="cuda:0, cuda:1", fuse=("a+b",), port=7)
    assert [(one.models, one.device) for one in options.instances] == [
        (("a",), "cuda:0"),
        (("a",), "cuda:1"),
        (("b",), "cuda:0"),
        (("b",), "cuda:1"),
    ]
    assert all(one.port == 7 for one in options.instances)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"precision": "int4"}, "precision is int4; use one of auto, fp32"),
        ({"engine": "tape"}, "engine is tape; use one of auto"),
        ({"threads": 0}, "threads is 0; use 1 or more"),
        ({"device": "cuda:0,"}, "device is 'cuda:0,'; name one, or several"),
        ({"cascade": ("a+b+c",)}, "a cascade has two models"),
        ({"cascade_from": 1.0}, "cascade from is 1.0; use a probability"),
        ({"window_seconds": 0.1}, "the model's window is 0.1 s"),
        (
            {"engine": "triton://here:8001/bundled", "hop_seconds": 1.0},
            "hop seconds has no effect on a model that triton:// serves; pass it to dfd export",
        ),
        (
            {"engine": "ray://auto", "alert_threshold": 0.5},
            "alert threshold has no effect on a model that ray:// serves; pass it to serve run",
        ),
    ],
)
def test_impossible_options_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        ModelChoice(**values)


@pytest.mark.parametrize(("engine", "beside"), [("auto", "known"), ("onnx", "onnx")])
def test_nothing_is_measured_while_streams_run(engine: str, beside: str) -> None:
    options = ServeOptions(engine=engine)
    assert options.beside_streams.engine == beside
    assert options_beside(options, "another", make_spec()).engine == beside
