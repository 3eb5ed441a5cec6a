from pathlib import Path

import httpx
import pytest

from tests.console.conftest import Console, started_console

TOKEN = "only for viewers"


@pytest.fixture(scope="module")
def guarded(needs: None) -> object:
    with started_console("--server", "127.0.0.1:1", DFD_CONSOLE_TOKEN=TOKEN) as url:
        yield url


def test_a_token_is_accepted_once_and_removed_from_the_address(guarded: str) -> None:
    with httpx.Client(base_url=guarded) as viewer:
        asked = viewer.get("/calls")
        assert asked.status_code == 401
        assert 'type="password"' in asked.text
        wrong = viewer.get("/calls", params={"token": "guess"})
        assert wrong.status_code == 401
        assert "wrong" in wrong.text
        opened = viewer.get("/calls", params={"token": TOKEN})
        assert opened.status_code == 303
        assert opened.headers["location"] == "/calls"
        cookie = opened.headers["set-cookie"]
        assert TOKEN not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert viewer.get("/calls").status_code == 200


def test_web_sockets_require_it_too(guarded: str) -> None:
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version": "13"}
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"} | key
    for path in ("/microphone/any", "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"):
        assert httpx.get(guarded + path, headers=upgrade).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example"}, {"origin": "https://evil.example"}],
    ids=["a name of its own", "another page"],
)
def test_other_web_pages_cannot_reach_a_local_console(
    console: Console, headers: dict[str, str]
) -> None:
    assert httpx.get(console.url + "/calls", headers=headers).status_code == 403


def test_no_files_are_left_in_the_working_folder(needs: None, tmp_path: Path) -> None:
    with started_console("--server", "127.0.0.1:1", folder=tmp_path) as url:
        assert httpx.get(url + "/calls").status_code == 200
    assert list(tmp_path.iterdir()) == []


def test_a_missing_daemon_is_reported(guarded: str) -> None:
    with httpx.Client(base_url=guarded, follow_redirects=True) as viewer:
        page = viewer.get("/model", params={"token": TOKEN})
        assert page.status_code == 200
        assert "No daemon answers at 127.0.0.1:1" in page.text
