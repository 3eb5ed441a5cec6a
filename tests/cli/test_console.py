from pathlib import Path

from tests.clients.command import dfd_here


def test_remote_access_needs_a_token() -> None:
    done = dfd_here("console", "--host", "0.0.0.0")
    assert done.is_one_line()
    assert "--console-token-file" in done.err


def test_a_missing_token_file(tmp_path: Path) -> None:
    done = dfd_here("console", "--console-token-file", tmp_path / "none")
    assert done.is_one_line()


def test_a_certificate_without_its_key(tmp_path: Path) -> None:
    assert "together" in dfd_here("console", "--console-cert", tmp_path / "cert.pem").err
