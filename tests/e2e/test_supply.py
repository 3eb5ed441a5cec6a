"""What is installed matches the lock, and can be listed."""

import importlib.util
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def locked() -> Any:
    """scripts/locked.py as a module."""
    spec = importlib.util.spec_from_file_location("locked", ROOT / "scripts" / "locked.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(*packages: tuple[str, str]) -> dict[str, Any]:
    return {"install": [{"metadata": {"name": n, "version": v}} for n, v in packages]}


def test_every_pinned_version_has_its_hashes_in_the_lock(locked: Any) -> None:
    lock = locked.entries((ROOT / "requirements.lock").read_text())
    missing = []
    for name, pinned in _PIN.findall((ROOT / "constraints.txt").read_text()):
        entry = dict(lock.get(re.sub(r"[-_.]+", "-", name.lower()), [])).get(pinned, "")
        if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry):
            missing.append(f"{name}=={pinned}")
    assert not missing, "run scripts/lock"


def test_an_installation_takes_its_lines_of_the_lock_and_no_others(locked: Any) -> None:
    lock = locked.entries(
        "click==8.3.0 \\\n    --hash=sha256:aa\nnumpy==2.3.0 ; python_version < '3.12' \\\n"
        "    --hash=sha256:bb\nnumpy==2.4.0 ; python_version >= '3.12' \\\n    --hash=sha256:cc\n"
        "setuptools==80.0.0 \\\n    --hash=sha256:dd\n"
    )
    lines = locked.chosen(report(("dfd", "0.1.0"), ("Click", "8.3.0"), ("numpy", "2.4.0")), lock)
    assert [re.findall(r"sha256:(\w+)", line) for line in lines] == [["aa"], ["cc"], ["dd"]]
    for package in (("numpy", "2.5.0"), ("left-pad", "1")):
        with pytest.raises(ValueError, match=r"is not in requirements\.lock: run scripts/lock"):
            locked.chosen(report(package), lock)


def test_the_bill_of_materials_has_packages_and_weights(tmp_path: Path) -> None:
    pytest.importorskip("cyclonedx_py", reason="pip install 'dfd[supply]'")
    from dfd.detector.files.bundled import WEIGHTS, WEIGHTS_SHA256, bundled_folder
    from dfd.detector.files.tensors import digest

    output = tmp_path / "sbom.json"
    script = str(ROOT / "scripts" / "sbom")
    subprocess.run([sys.executable, script, str(output)], check=True, timeout=240)
    bill = json.loads(output.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "dfd"
    listed = {one["name"].lower(): one for one in bill["components"]}
    for name in ("grpcio", "numpy", "torch", "av"):
        assert listed[name]["version"] == version(name)
        assert listed[name]["purl"].startswith(f"pkg:pypi/{name}@")
    (found,) = listed["dfd bundled detector"]["hashes"]
    assert found == {"alg": "SHA-256", "content": WEIGHTS_SHA256}
    assert digest(bundled_folder() / WEIGHTS) == WEIGHTS_SHA256
