"""The stubs as a separate package, `dfd-proto`."""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Daemon

pytestmark = pytest.mark.slow
# A complete client without dfd: it connects and asks.
ASK = """
import sys
sys.path += {paths!r}
import grpc
import dfd.v1
from dfd.v1 import detection_pb2, detection_pb2_grpc
assert dfd.v1.__file__.startswith({target!r}), dfd.v1.__file__
with grpc.insecure_channel({address!r}) as channel:
    stub = detection_pb2_grpc.DetectionServiceStub(channel)
    print(stub.GetServerInfo(detection_pb2.GetServerInfoRequest()).models[0].name)
assert not {{"numpy", "click", "torch"}} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installs the package from a copy of `proto/` into a folder."""
    folder = tmp_path_factory.mktemp("stubs")
    copy, target = folder / "proto", folder / "installed"
    not_copied = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "proto", copy, ignore=not_copied)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([*command, str(copy)], check=True, timeout=120)
    return target


def test_it_contains_the_contract_and_typed_stubs(target: Path) -> None:
    wanted = {path.name for path in (ROOT / "proto" / "dfd" / "v1").glob("*.*")}
    assert {path.name for path in (target / "dfd" / "v1").glob("*.*")} == wanted
    assert not (target / "dfd" / "__init__.py").exists()


def test_a_program_without_dfd_asks_a_daemon(target: Path, daemon: Daemon, tmp_path: Path) -> None:
    libraries = sysconfig.get_path("purelib")
    code = ASK.format(paths=[str(target), libraries], target=str(target), address=daemon.address)
    # -I and -S, so that neither the checkout nor an editable install is found
    asked = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.split() == ["bundled"]


def test_both_packages_have_one_version_and_one_range_of_grpc() -> None:
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stubs = tomllib.loads((ROOT / "proto" / "pyproject.toml").read_text())["project"]
    assert stubs["version"] == whole["version"]
    assert stubs["requires-python"] == whole["requires-python"]
    assert set(stubs["dependencies"]) <= set(whole["dependencies"])
