from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.options import AlertPolicy, StreamOptions, VadOptions
from dfd.daemon.journal.entries import Entry
from dfd.daemon.journal.store import Store
from tests.clients.command import dfd, dfd_here
from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script
from tests.daemon.conftest import serve
from tests.daemon.harness import RATE, Serve, noise
from tests.daemon.journal.test_store import NOON, alert, call, summary

__all__ = ["serve"]
pytest.importorskip("jinja2", reason="pip install 'dfd[report]'")
pytest.importorskip("sqlalchemy", reason="no journal: pip install 'dfd[journal]'")


class Fetched(HTMLParser):
    """The resources that a page would fetch."""

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
        async for _ in stream:
            break  # it has begun
        done = await dfd("report", "call-7", "--server", where, "--output", "-")
        unknown = await dfd("report", "call-8", "--server", where)
    assert done.status == 0
    for word in ("call-7", "sales", "was running", "Cannot tell"):
        assert word in done.out
    assert unknown.is_one_line()
    assert "neither a file nor a running stream" in unknown.err


async def test_a_finished_stream(serve: Serve, tmp_path: Path) -> None:
    journal, clips = tmp_path / "journal.db", tmp_path / "clips"
    h = await serve(journal=str(journal), evidence_clips=clips)
    # this detector's score of noise is above it
    policy = AlertPolicy(rolling_threshold=0.4, cumulative_threshold=0.45)
    options = StreamOptions(
        stream_id="call-9",
        labels={"queue": "a<b"},
        alert_policy=policy,
        vad=VadOptions(min_speech_seconds=0.0),
    )
    async with (
        AsyncDetectionClient(f"127.0.0.1:{h.server.port}") as client,
        client.stream(sample_rate_hz=RATE, options=options, live=False) as stream,
    ):
        for second in range(6):
            await stream.send(noise(1.0, second, 0.2).tobytes())
        await stream.finish()
        assert [event async for event in stream]
    await h.server.stop()
    (clip,) = clips.glob("*.flac")
    words = ("report", "call-9", "--journal", journal, "--server", "127.0.0.1:1")
    done = await dfd(*words, "--output", "-")
    assert (done.status, done.err) == (0, "")
    for word in (
        *("client done", "a&lt;b", "ab" * 32, "LLR = 1 * log-odds", "rolling P 0.40"),
        *("<polyline", "alert: cumulative", clip.name, "unchanged since"),
    ):
        assert word in done.out
    clip.write_bytes(clip.read_bytes() + b"x")
    assert "CHANGED SINCE" in (await dfd(*words, "--output", "-")).out
    clip.unlink()
    assert "not on this machine" in (await dfd(*words, "--output", "-")).out


@pytest.fixture
def older_journal(tmp_path: Path) -> Path:
    """A call whose daemon was killed, and a newer one with the same id from an older dfd."""
    path = tmp_path / "older.db"
    store = Store(str(path), create=True)
    store.write(
        [
            call("a", stream_id="cut-off", model="small", weights_sha256="cd" * 32),
            alert("1", "a", offset_seconds=300.0),
            call("b", 1.0, stream_id="twice"),
            call("c", 2.0, stream_id="twice", audio_seconds=12.5, end="client_done"),
            summary("c", "bonafide"),
            Entry("dfd_calls", {"ended_at": NOON}, call="c"),
        ]
    )
    store.close()
    return path


def of_journal(journal: Path, stream_id: str) -> str:
    words = (stream_id, "--journal", journal, "--server", "127.0.0.1:1", "--output", "-")
    done = dfd_here("report", *words)
    assert done.status == 0, done.err
    return done.out


def test_an_interrupted_call(older_journal: Path) -> None:
    text = of_journal(older_journal, "cut-off")
    for word in (
        "No summary",
        "300.00 s",
        "no end of this call",
        "cd" * 32,
        "older version of dfd",
    ):
        assert word in text


def test_the_newest_of_an_id(older_journal: Path) -> None:
    text = of_journal(older_journal, "twice")
    assert "12.5 s" in text
    assert "Sounds human" in text


def test_an_id_that_the_journal_does_not_have(older_journal: Path) -> None:
    words = ("nobody", "--journal", older_journal, "--server", "127.0.0.1:1")
    assert dfd_here("report", *words).is_one_line()


@pytest.mark.parametrize("words", [("--pdf",), ("--output", "case.pdf")], ids=["option", "suffix"])
def test_as_pdf(
    older_journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    try:
        pytest.importorskip("weasyprint", reason="no PDF: pip install 'dfd[pdf]'")
    except OSError:
        pytest.skip("no PDF: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0")
    pdfium = pytest.importorskip("pypdfium2", reason="nothing to read it: pip install pypdfium2")
    monkeypatch.chdir(tmp_path)
    journal = ("--journal", older_journal, "--server", "127.0.0.1:1")
    done = dfd_here("report", "twice", *journal, *words)
    target = "case.pdf" if "--output" in words else "twice.pdf"
    assert (done.status, done.err) == (0, f"wrote {target}\n")
    document = pdfium.PdfDocument(tmp_path / target)
    text = "".join(page.get_textpage().get_text_bounded() for page in document)
    assert document.get_metadata_value("Title") == "twice - dfd report"
    for word in ("Sounds human", "What the figures mean", f"1 / {len(document)}"):
        assert word in text


def test_a_title_is_escaped(older_journal: Path) -> None:
    store = Store(str(older_journal), create=False)
    store.write([call("d", stream_id='x"}</style><script>alert(1)</script>')])
    store.close()
    text = of_journal(older_journal, 'x"}</style><script>alert(1)</script>')
    assert "<script" not in text
    assert text.count("</style>") == 1


def test_without_a_server(recording: Path) -> None:
    assert dfd_here("report", recording, "--server", "127.0.0.1:1").is_one_line()
