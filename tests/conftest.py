import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.snapshots import UPDATE

# On a busy machine an example may take long, so there are no deadlines.
settings.register_profile("dfd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dfd")

# A shell makes background processes ignore Ctrl-C, and so would all processes that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(UPDATE, action="store_true", help="write the screens of tests anew")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the tests marked `by_hand`, unless `-m` names the mark."""
    if "by_hand" in config.getoption("markexpr"):
        return
    left_out = [item for item in items if item.get_closest_marker("by_hand")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("by_hand")]


@pytest.fixture(scope="session", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps away from the user's caches, and from measuring which engine is the fastest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DFD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
        patch.setenv("DFD_SERVE_ENGINE", "torchscript")
        yield


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    """Resets the thread after each test: OpenVINO makes it flush denormals and leaves it so."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_flush_denormal(False)
