"""Marks recordings with Perth's own package.

The package needs librosa for one thing, resampling to its rate and back, which librosa leaves to
soxr, and an old setuptools to find its own folder. If these are missing, stand-ins here do the same
two things, so that marking needs nothing but the package itself.
"""

import contextlib
import functools
import importlib.util
import io
import os
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

INSTALLED = importlib.util.find_spec("perth") is not None
REASON = "Perth's package is not installed: pip install 'dfd[watermark]'"

Samples = npt.NDArray[np.float32]


def _resample(samples: Samples, *, orig_sr: int, target_sr: int, res_type: str = "") -> Samples:
    import soxr

    return np.asarray(soxr.resample(samples, orig_sr, target_sr, "HQ"), np.float32)


def _resource_filename(package: str, name: str) -> str:
    return os.path.join(os.path.dirname(str(sys.modules[package].__file__)), name)


@contextlib.contextmanager
def _stand_ins() -> Iterator[None]:
    """Puts the stand-ins in place of missing modules, and removes them afterwards."""
    added = []
    for name, member in (("librosa", _resample), ("pkg_resources", _resource_filename)):
        if name not in sys.modules and (
            name == "pkg_resources" or importlib.util.find_spec(name) is None
        ):
            stand_in = types.ModuleType(name)
            setattr(stand_in, "resample" if name == "librosa" else member.__name__[1:], member)
            sys.modules[name] = stand_in
            added.append(name)
    try:
        yield
    finally:  # transformers looks for librosa by name when it is imported
        for name in added:
            del sys.modules[name]


@functools.cache
def _marker() -> Any:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _stand_ins():
        warnings.simplefilter("ignore")
        from perth.perth_net.perth_net_implicit.perth_watermarker import PerthImplicitWatermarker

        return PerthImplicitWatermarker()


def marked(samples: Samples, sample_rate_hz: int) -> Samples:
    """Returns the same speech with Perth's watermark, at the same length."""
    made = np.zeros_like(samples)
    found = _marker().apply_watermark(samples, sample_rate=sample_rate_hz)
    made[: len(found)] = found[: len(samples)]
    return made


def read_by_its_own(samples: Samples, sample_rate_hz: int) -> float:
    """Returns the package's own reading, unrounded."""
    found = _marker().get_watermark(samples, sample_rate=sample_rate_hz, round=False)
    return float(np.mean(found))
