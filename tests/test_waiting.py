"""Tests wait for events or conditions; a plain sleep states its reason."""

import itertools
import re
import time
from pathlib import Path

import pytest

from tests.waiting import paced, until, wait_until

TESTS = Path(__file__).parent


def test_each_sleep_states_its_reason() -> None:
    without = []
    for path in TESTS.rglob("*.py"):
        lines = ["", *path.read_text(encoding="utf-8").splitlines()]
        for number, (above, line) in enumerate(itertools.pairwise(lines), 1):
            if not re.search(r"\bsleep\(", line) or path == Path(__file__):
                continue
            if not re.search(r"#(?! noqa)", line) and not above.lstrip().startswith("#"):
                without.append(f"{path.relative_to(TESTS)}:{number}: {line.strip()}")
    assert without == []


async def test_a_condition_that_never_holds_fails() -> None:
    with pytest.raises(AssertionError, match="the log's end"):
        wait_until(lambda: False, 0.02, lambda: "the log's end")
    with pytest.raises(AssertionError, match="never happened"):
        await until(lambda: False, 0.02)


async def test_the_pace_does_not_depend_on_what_each_item_takes() -> None:
    began, at = time.monotonic(), []
    async for _ in paced(range(5), 0.05):
        at.append(time.monotonic() - began)
        time.sleep(0.02)  # noqa: ASYNC251 - sending an item takes a while
    assert len(at) == 5
    assert 0.2 <= at[-1] < 0.2 + 4 * 0.02 + 5.0
