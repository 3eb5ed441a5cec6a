"""The pinned packages run on every Python that dfd supports."""

import re
from importlib.metadata import PackageNotFoundError, metadata

from packaging.specifiers import SpecifierSet

from tests.e2e.conftest import ROOT

# Debian 12's, Ubuntu 24.04's and the first release of the newest.
PYTHONS = ("3.11.2", "3.12.3", "3.13.0")
PINS = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_every_python_can_have_them() -> None:
    refused = {}
    for name, version in PINS:
        try:
            installed = metadata(name)
        except PackageNotFoundError:  # part of an extra that the checks do not need
            continue
        wanted = SpecifierSet(installed["Requires-Python"] or "")
        if missing := [python for python in PYTHONS if python not in wanted]:
            refused[f"{name}=={version}"] = missing
    assert len(PINS) > 100
    assert refused == {}
