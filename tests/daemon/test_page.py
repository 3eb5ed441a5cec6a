import contextlib
import socket
import threading
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Gauge

from dfd.daemon.page import MetricsPage


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_figures_and_probes() -> None:
    registry, ready = CollectorRegistry(), [False]
    Gauge("dfd_x", "x", registry=registry).set(3)
    with MetricsPage(registry, "127.0.0.1", 0, lambda: ready[0]) as page:
        base = page.url.removesuffix("/metrics")
        assert "dfd_x 3.0" in get(page.url)[1]
        assert get(f"{base}/healthz")[0] == 200
        assert get(f"{base}/readyz")[0] == 503
        ready[0] = True
        assert get(f"{base}/readyz")[0] == 200
        assert get(f"{base}/secret")[0] == 404


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HT"])
def test_incomplete_requests_use_few_threads_and_end(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfd.daemon.page._SECONDS", 3.0)
    page = MetricsPage(CollectorRegistry(), "127.0.0.1", 0, lambda: True)
    with page, contextlib.ExitStack() as stack:
        before = threading.active_count()
        address = ("127.0.0.1", page.port)
        held = [stack.enter_context(socket.create_connection(address)) for _ in range(14)]
        for one in held:
            with contextlib.suppress(ConnectionError):  # closed already
                one.sendall(sent)
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            get(page.url)
        assert threading.active_count() - before <= 2 * 8
        for one in held:
            one.settimeout(10)
            with contextlib.suppress(ConnectionError):
                assert b"200" not in one.recv(1000)
        assert get(page.url)[0] == 200
