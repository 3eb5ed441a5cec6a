"""The number of threads follows the container's quota, in both versions of control groups."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dfd.processors import cpu_quota, usable
from tests.chaos.daemon import Daemon

_CPU = Path("/sys/fs/cgroup/cpu")


def tree(root: Path, groups: str, files: dict[str, str]) -> Path:
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        (
            "0::/kubepods/pod7/box\n",
            {
                "sys/fs/cgroup/kubepods/pod7/cpu.max": "50000 100000\n",
                "sys/fs/cgroup/kubepods/pod7/box/cpu.max": "200000 100000\n",
            },
            0.5,
        ),
        # the name is that outside the container, the folder that inside
        ("0::/docker/abc\n", {"sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3.0),
        (
            "4:memory:/a\n3:cpu,cpuacct:/a\n0::/\n",
            {
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        (
            "1:cpu:/docker/abc\n",
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        ("1:cpu:/\nnonsense\n", {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "what\n"}, None),
    ],
)
def test_the_smallest_quota_of_all_ancestors_applies(
    tmp_path: Path, groups: str, files: dict[str, str], quota: float | None
) -> None:
    root = tree(tmp_path, groups, files)
    assert cpu_quota(root) == quota
    most = len(os.sched_getaffinity(0))
    assert usable(root) == (most if quota is None else max(1, min(most, -int(-quota // 1))))


@pytest.fixture
def group() -> Iterator[Path]:
    """A real control group that may use half a processor."""
    path = _CPU / f"dfd-test-{os.getpid()}"
    try:
        path.mkdir()
        (path / "cpu.cfs_quota_us").write_text("50000")
    except OSError:
        pytest.skip("needs root and control groups of version 1, to make a group")
    yield path
    path.rmdir()


def test_torch_takes_no_more_threads_than_a_real_group_has_processors(group: Path) -> None:
    pytest.importorskip("torch", reason="pip install 'dfd[serve]'")
    code = (
        f"import os, pathlib; pathlib.Path({str(group / 'cgroup.procs')!r}).write_text('0')\n"
        "import torch\n"
        "from dfd.detector.devices import prepare_device\n"
        "torch.set_num_threads(2)\n"
        "prepare_device(torch.device('cpu'), None)\n"
        "print(torch.get_num_threads())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "1\n"


def test_workers_0_means_all_usable_processors() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        daemon = Daemon("--workers", "0")  # it inherits the affinity of this thread
    finally:
        os.sched_setaffinity(0, before)
    with daemon:
        assert psutil.Process(daemon.process.pid).children() == []
