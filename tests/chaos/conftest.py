from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each of these starts a daemon and takes seconds."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
