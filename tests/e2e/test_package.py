"""The wheel and the sdist, built from a copy of the checkout and used without it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT

pytest.importorskip("build", reason="nothing to build with: pip install 'dfd[dev]'")
pytestmark = pytest.mark.slow
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", "__pycache__", "*.egg-info", "build", "site"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel made from it."""
    folder = tmp_path_factory.mktemp("package")
    copy, out = folder / "checkout", folder / "dist"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=NOT_COPIED)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)]
    done = subprocess.run(
        command, cwd=folder, env=without_checkout(), capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    shutil.rmtree(copy)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installs dfd from the wheel into a folder; its dependencies are those of this Python."""
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--disable-pip-version-check", "--target", str(target), str(built[1])]
    subprocess.run(command, check=True, timeout=120)
    return target


def without_checkout(target: Path | None = None) -> dict[str, str]:
    """Returns the environment of a process that imports dfd from `target`."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return environment if target is None else environment | {"PYTHONPATH": str(target)}


def test_both_contain_every_module_and_its_data(built: tuple[Path, Path]) -> None:
    rooms = [room for room in (ROOT / "src" / "dfd").iterdir() if room.is_dir()]
    wanted = {
        f"dfd/{room.name}/{path.relative_to(room.resolve())}"
        for room in rooms
        for path in room.resolve().rglob("*")
        if path.suffix in (".py", ".pyi", ".proto", ".html", ".safetensors", ".json")
        and path.parent.name != "kept"  # reports for comparison, needed only in a checkout
    }
    assert len(rooms) > 8
    sdist, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        assert wanted - set(archive.namelist()) == set()
    with tarfile.open(sdist) as archive:
        names = {name.partition("/src/")[2] for name in archive.getnames()}
    assert wanted - names == set()


def test_serve_and_detect_from_the_wheel_alone(
    installed: Path, synthetic: list[Path], tmp_path: Path
) -> None:
    environment = without_checkout(installed)

    def dfd(*words: object) -> str:
        command = [sys.executable, installed / "bin" / "dfd", *words]
        done = subprocess.run(
            list(map(str, command)),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = [sys.executable, "-c", "import dfd.detector; print(dfd.detector.__file__)"]
    found = subprocess.check_output(where, cwd=tmp_path, env=environment, text=True)
    assert Path(found).is_relative_to(installed)

    (line,) = dfd("detect", "--json", synthetic[0]).splitlines()
    assert json.loads(line)["verdict"] == "spoof"

    serve = [sys.executable, installed / "bin" / "dfd", "serve", "--port", "0", "--no-metrics"]
    daemon = subprocess.Popen(
        [*map(str, serve)], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert daemon.stdout is not None
    try:
        ready = re.fullmatch(r"dfd ready on (\S+)\n", daemon.stdout.readline())
        assert ready
        replayed = dfd("replay", "--server", ready[1], "--speed", "max", "--json", synthetic[0])
        report = json.loads(replayed.splitlines()[-1])["report"]
        assert report["alerts"] > 0
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.stdout.close()
        assert daemon.wait(60) == 0


def test_the_module_is_the_command(installed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dfd", "--version"]
    done = subprocess.check_output(
        command, cwd=tmp_path, env=without_checkout(installed), text=True, timeout=60
    )
    assert re.fullmatch(r"dfd, version \d+\.\d+\.\d+\S*\n", done)
