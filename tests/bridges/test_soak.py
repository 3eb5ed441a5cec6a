from pathlib import Path

import pytest

from tests.bridges.soak import Soak, run

pytestmark = pytest.mark.slow


@pytest.mark.timeout(300)
async def test_a_short_soak(tmp_path: Path) -> None:
    """The soak itself, shortened: eight calls, the daemon killed and started again."""
    soak = Soak(calls=8, seconds=16.0, away_seconds=1.0, scripted=True)
    await run(soak, tmp_path)
    assert soak.faults == []
    assert soak.report["worst_time_line_error_seconds"] < 0.02
    assert soak.report["windows"]["scored"] > 0
