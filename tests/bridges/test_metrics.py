import socket
import sys
import urllib.request

import pytest

from dfd.bridges.metrics import Metrics, expose
from dfd.errors import UserError


def test_prometheus_reads_them() -> None:
    metrics = Metrics()
    metrics.add("calls", label="rtp")
    metrics.add("audio_seconds", 2.5)
    metrics.gauge("calls_active", "Calls.", lambda: 3)
    stop, port = expose(metrics, "127.0.0.1", 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
    finally:
        stop()
    assert 'dfd_bridge_calls_total{protocol="rtp"} 1.0' in text
    assert "dfd_bridge_audio_seconds_total 2.5" in text
    assert "dfd_bridge_reconnections_total 0.0" in text
    assert "dfd_bridge_calls_active 3.0" in text


def test_sums() -> None:
    metrics = Metrics()
    metrics.add("packets", 2, "lost")
    metrics.add("packets", 3, "late")
    assert (metrics.get("packets"), metrics.get("packets", "lost")) == (5, 2)
    assert metrics.get("calls", "rtp") == 0


def test_a_port_in_use_is_reported() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UserError, match="metrics"):
            expose(Metrics(), "127.0.0.1", taken.getsockname()[1])


def test_without_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(UserError, match=r"dfd\[bridge\]"):
        expose(Metrics(), "127.0.0.1", 0)
