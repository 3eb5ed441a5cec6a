from pathlib import Path

from dfd.detector.hardware import cpu_identity, free_memory, has_flag

CPUINFO = """processor\t: 0
model name\t: Some Processor @ 2.50GHz
flags\t\t: fpu sse2 avx2 avx512f amx_int8

processor\t: 1
model name\t: Some Processor @ 2.50GHz
flags\t\t: fpu
"""


def test_a_processor_is_known_by_its_model_and_vector_instructions(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(CPUINFO)
    assert cpu_identity(tmp_path) == "Some Processor @ 2.50GHz amx_int8 avx2 avx512f"
    assert has_flag("sse2", tmp_path)
    assert not has_flag("sse", tmp_path)
    assert not has_flag("sha_ni", tmp_path / "nowhere")


def test_this_processor_has_an_identity() -> None:
    assert cpu_identity()


def test_free_memory_is_the_machines_or_the_groups(tmp_path: Path) -> None:
    assert free_memory(tmp_path) is None
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemFree: 9 kB\nMemAvailable:   2048 kB\n")
    assert free_memory(tmp_path) == 2 << 20
    (tmp_path / "proc/self/cgroup").write_text("0::/dfd\n")
    group = tmp_path / "sys/fs/cgroup/dfd"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("1024\n")
    assert free_memory(tmp_path) == 2 << 20
    (group / "memory.max").write_text("5120\n")
    assert free_memory(tmp_path) == 4096


def test_the_older_groups_have_a_limit_too(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("5:memory:/dfd\n3:cpu,cpuacct:/dfd\n")
    group = tmp_path / "sys/fs/cgroup/memory/dfd"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text("3000\n")
    (group / "memory.usage_in_bytes").write_text("1000\n")
    assert free_memory(tmp_path) == 2000
