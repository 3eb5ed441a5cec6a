import subprocess
import sys
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


def test_the_stubs_need_grpc_and_protobuf_alone() -> None:
    """What examples/README.md says to clients that want nothing else."""
    code = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {third!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Nothing())
from dfd.v1 import detection_pb2, detection_pb2_grpc
assert detection_pb2.StreamingDetectRequest and detection_pb2_grpc.DetectionServiceStub
"""
    third = ("av", "click", "numpy", "rich", "sounddevice", "soundfile", "torch", "soxr")
    subprocess.run([sys.executable, "-c", code.format(third=third)], check=True)
