import asyncio
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.options import StreamOptions
from tests.clients.command import dfd, dfd_here
from tests.clients.scripted import Script, ScriptedServer
from tests.daemon.conftest import serve
from tests.daemon.harness import RATE, Serve, noise

__all__ = ["serve"]
pytest.importorskip("jinja2", reason="pip install 'dfd[report]'")


class Fetched(HTMLParser):
    """What a page would fetch from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "<b>call & co.wav"
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 3 * 16000), 16000)
    return path


async def test_a_recording(recording: Path, tmp_path: Path) -> None:
    async with ScriptedServer(Script(alert_after=2.0)) as server:
        page = tmp_path / "page.html"
        done = await dfd("report", recording, "--server", server.address, "--output", page)
    assert (done.status, done.err) == (0, f"wrote {page}\n")
    text = page.read_text()
    for word in ("Sounds synthetic", "ab" * 32, "alert: rolling score", "3.00 s", "<polyline"):
        assert word in text
    assert "&lt;b&gt;call &amp; co.wav" in text
    assert "<b>call" not in text
    reader = Fetched()
    reader.feed(text)
    assert reader.found == []
    assert "<script" not in text


async def test_a_running_stream(serve: Serve) -> None:
    h = await serve()
    where = f"127.0.0.1:{h.server.port}"
    options = StreamOptions(stream_id="call-7", labels={"queue": "sales"})
    async with (
        AsyncDetectionClient(where) as client,
        client.stream(sample_rate_hz=RATE, options=options) as stream,
    ):
        await stream.send(noise(3.0).tobytes())
        await asyncio.sleep(0.2)
        done = await dfd("report", "call-7", "--server", where, "--output", "-")
        unknown = await dfd("report", "call-8", "--server", where)
    assert done.status == 0
    for word in ("call-7", "sales", "was running", "Cannot tell"):
        assert word in done.out
    assert unknown.is_one_line()
    assert "neither a file nor a running stream" in unknown.err


def test_without_a_server(recording: Path) -> None:
    assert dfd_here("report", recording, "--server", "127.0.0.1:1").is_one_line()
