import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUBS = ["detection_pb2.py", "detection_pb2.pyi", "detection_pb2_grpc.py", "detection_pb2_grpc.pyi"]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stubs")
    subprocess.run([ROOT / "scripts" / "generate-stubs", out], check=True, capture_output=True)
    return out / "dfd" / "v1"


@pytest.mark.parametrize("name", STUBS)
def test_stub_is_current(generated: Path, name: str) -> None:
    committed = ROOT / "proto" / "dfd" / "v1" / name
    assert committed.read_text() == (generated / name).read_text(), "run scripts/generate-stubs"


def test_contract_passes_buf_s_lint() -> None:
    checked = subprocess.run(["buf", "lint"], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
