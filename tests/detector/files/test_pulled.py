import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dfd.detector import catalogue
from dfd.detector.files import pulled
from dfd.detector.files.read import find_model
from dfd.errors import UserError

CONTENT = bytes(range(256)) * 5_000


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/AASIST.pth":
            self.send_error(404, "gone")
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DFD_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def offer(monkeypatch: pytest.MonkeyPatch, url: str, sha256: str | None) -> None:
    """Makes AASIST be fetched from another address."""
    aasist = replace(catalogue.DETECTORS[0], url=url, sha256=sha256)
    monkeypatch.setattr(catalogue, "DETECTORS", (aasist, *catalogue.DETECTORS[1:]))


def test_a_detector_is_fetched_once_and_found_by_name(
    server: str, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, f"{server}/AASIST.pth", hashlib.sha256(CONTENT).hexdigest())
    with pytest.raises(UserError, match="aasist is not on this machine yet: run dfd models pull"):
        find_model("aasist")
    told: list[tuple[int, int | None]] = []
    path = pulled.pull("aasist", lambda done, total: told.append((done, total)))
    assert path == models / "aasist" / "aasist.pth"
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert find_model("aasist") == path
    told.clear()
    assert pulled.pull("aasist", lambda done, total: told.append((done, total))) == path
    assert not told


def test_a_file_that_differs_from_the_published_one_is_deleted(
    server: str, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, f"{server}/AASIST.pth", "0" * 64)
    with pytest.raises(UserError, match="is not what was published"):
        pulled.pull("aasist")
    assert not list((models / "aasist").iterdir())


@pytest.mark.parametrize("place", ["gone", "nobody"])
def test_without_a_network_it_says_what_to_do(
    place: str, server: str, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{server}/gone.pth" if place == "gone" else "http://127.0.0.1:9/AASIST.pth"
    offer(monkeypatch, url, None)
    with pytest.raises(
        UserError, match=r"cannot be fetched .*on a machine with a network download"
    ):
        pulled.pull("aasist")
    assert not list((models / "aasist").iterdir())


def test_a_detector_to_download_by_hand(models: Path) -> None:
    with pytest.raises(UserError, match=r"by hand: get it from https://github\.com/TakHem"):
        find_model("ssl-aasist")
    with pytest.raises(UserError, match=r"by hand: get it from https://github\.com/TakHem"):
        pulled.pull("ssl-aasist")
    with pytest.raises(UserError, match="there is no public detector foo: name a hub id or one of"):
        pulled.pull("foo")


def test_names_cannot_be_paths() -> None:
    names = [one.name for one in catalogue.DETECTORS]
    assert len(set(names)) == len(names)
    assert all("/" not in name and name == name.lower() for name in names)
