"""Third part: the tests marked `cuda`, on the device that is checked."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from dfd.benchmarks.gpu.notes import start

_ROOT = Path(__file__).resolve().parents[2]
# Tests in this folder need only the packages of the machine; others need more.
_FOLDER = _ROOT / "tests" / "cuda"


def main() -> None:
    """Runs the part; its exit status is that of pytest."""
    part = start()
    report = part.work / "tests.xml"
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-rs", "--tb=short", "-m", "cuda"),
        *("-c", str(Path(__file__).with_name("pytest.ini")), f"--rootdir={_ROOT}"),
        *(f"--confcutdir={_FOLDER}", f"--junitxml={report}", str(_FOLDER)),
    ]
    done = subprocess.run(
        command,
        env=os.environ | {"DFD_TEST_DEVICE": part.device},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=False,
    )
    if report.exists():
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            trouble = next(iter(case), None)
            result = "passed" if trouble is None else trouble.tag
            part.notes.add(
                "tests",
                {
                    "name": f"{str(case.get('classname')).rpartition('.')[2]}: {case.get('name')}",
                    "result": {"failure": "failed", "error": "failed"}.get(result, result),
                    "seconds": float(case.get("time") or 0.0),
                    "why": "" if trouble is None else (trouble.get("message") or "")[:600],
                    "where": "" if trouble is None else (trouble.text or "")[-3000:],
                },
            )
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
