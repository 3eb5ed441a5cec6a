import signal
import sys
from collections.abc import Iterator
from pathlib import Path

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


# Modules that take more than 20 s of a run of all tests. Started first, they end before the others.
LONGEST = (
    "cli/test_examples.py",
    "detector/test_true_sizes.py",
    "detector/files/layouts/test_compiled.py",
    "e2e/test_reference_systems.py",
    "bridges/test_real_scores.py",
    "cli/test_bench.py",
    "chaos/test_overload.py",
    "chaos/test_soak.py",
    "deploy/test_cluster.py",
    "chaos/test_triton.py",
    "daemon/multiprocess/test_changes.py",
    "bridges/test_real_rtp.py",
    "chaos/test_truth.py",
    "clients/test_real_daemon.py",
    "cli/test_evaluate.py",
    "console/test_pages.py",
    "e2e/test_main_job.py",
    "detector/export/test_networks.py",
    "daemon/multiprocess/test_deaths.py",
    "cli/test_listen.py",
    "chaos/test_journal.py",
    "deploy/test_proxies.py",
    "e2e/test_examples.py",
    "daemon/multiprocess/test_supervisor.py",
    "daemon/journal/test_store.py",
    "cli/test_serve_models.py",
)


def place(item: pytest.Item) -> int:
    """Returns where the module of a test comes in a parallel run: the longest before all others."""
    name = item.path.relative_to(Path(__file__).parent).as_posix()
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the longest as slow, orders parallel runs, and leaves out `by_hand` unless named."""
    for item in items:
        if place(item) < len(LONGEST):
            item.add_marker(pytest.mark.slow)
    if hasattr(config, "workerinput"):  # of pytest-xdist
        items.sort(key=place)
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
