from pathlib import Path

import pytest

from dfd.benchmarks.report import machine


def test_cpu_and_instruction_sets_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(
        "model name\t: Some CPU\nflags\t\t: sse avx2 amx_int8 avx512f\n\nflags\t: sse\n"
    )
    monkeypatch.setattr(machine, "_CPUINFO", path)
    found = machine.describe()
    assert found["cpu"] == "Some CPU"
    assert found["instruction_sets"] == ["avx2", "avx512f", "amx_int8"]


def test_a_system_without_this_information_is_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "none")
    found = machine.describe()
    assert found["cpu"]
    assert found["instruction_sets"] == []
