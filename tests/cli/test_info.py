import asyncio
import json
import subprocess
from pathlib import Path

from tests.clients.command import dfd, dfd_here
from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script


async def test_what_a_server_offers() -> None:
    async with ScriptedServer() as server:
        shown = await dfd("info", "--server", server.address)
        as_json = await dfd("info", "--json", DFD_SERVER=server.address)
    assert (shown.status, shown.err) == (0, "")
    for word in ("scripted 1", "linear16, mulaw", "1 of 8", "1 s every 0.5 s at 16000 Hz", "0.80"):
        assert word in shown.out
    assert json.loads(as_json.out)["models"][0]["window_duration"] == "1s"


async def test_the_token_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("right\n")
    async with ScriptedServer(Script(token="right")) as server:
        wrong = await dfd("info", "--server", server.address, DFD_TOKEN="wrong")
        assert wrong.is_one_line()
        assert "--token-file" in wrong.err
        assert "wrong" not in wrong.err
        right = await dfd("info", "--server", server.address, DFD_TOKEN="right")
        assert right.status == 0
        right = await dfd("info", "--server", server.address, "--token-file", path)
        assert right.status == 0


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    gone = dfd_here("info", "--server", "localhost:1")
    assert gone.is_one_line()
    assert "dfd serve" in gone.err
    path = tmp_path / "token"
    path.write_text("two words")
    for words in (
        ("--server", "nowhere"),
        ("--bogus",),
        ("--tls-ca", "/none.pem"),
        ("--tls-ca", __file__),
        ("--token-file", path),
        ("--token-file", tmp_path / "none"),
    ):
        done = dfd_here("info", *words)
        assert done.is_one_line(), (words, done)


async def test_tls_is_requested_from_a_server_without_it(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x"
    words = [*command.split(), "-keyout", str(tmp_path / "key.pem"), "-out", str(authority)]
    await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True)
    async with ScriptedServer() as server:
        tls = await dfd("info", "--server", server.address, "--tls-ca", authority)
    assert tls.is_one_line(), tls
    assert "--insecure" in tls.err
