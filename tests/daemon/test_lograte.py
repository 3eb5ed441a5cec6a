import logging

import pytest

from dfd.daemon.lograte import BoundedLog


def test_a_flood_makes_a_few_lines_and_a_count(caplog: pytest.LogCaptureFixture) -> None:
    now = 10.0
    refused = BoundedLog(per_second=2, clock=lambda: now)
    with caplog.at_level(logging.INFO):
        for _ in range(1000):
            refused("call refused", reason="TOKEN_UNKNOWN")
        now = 11.0
        refused("call refused", reason="TOKEN_UNKNOWN")
    fields = [vars(record)["fields"] for record in caplog.records]
    assert [f["left_out"] for f in fields] == [None, None, 998]
