"""The secrets by which states are signed: of a file, of the environment, or made here."""

import contextlib
import hashlib
import logging
import os
import secrets
from pathlib import Path

from dfd.daemon.logs import log
from dfd.errors import UserError

# The secrets themselves, for where a file is harder to have than a variable.
VARIABLE = "DFD_RESUME_KEY"
_LEAST_CHARACTERS = 32


def read_keys(path: Path | None) -> tuple[bytes, ...]:
    """The keys: the first signs, and what any of them signed is taken.

    Args:
        path: a file of secrets, a line each; None takes those of the environment, or else of
            the file of this user, which is made where there is none.

    Raises:
        UserError: if a file that was named cannot be read, or holds no proper secret.
    """
    if path is not None:
        try:
            return _parse(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise UserError(f"cannot read the resume key {path}: {why}") from None
    if text := os.environ.get(VARIABLE):
        return _parse(text, VARIABLE)
    return _own()


def share_with_children() -> None:
    """Makes sure that processes started from here read the same keys as this one."""
    own = _file()
    if not os.environ.get(VARIABLE) and (own is None or not _made(own)):
        os.environ[VARIABLE] = secrets.token_hex(32)


def _parse(text: str, origin: str) -> tuple[bytes, ...]:
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found or any(len(line) < _LEAST_CHARACTERS for line in found):
        raise UserError(
            f"{origin} holds no proper resume key: give a line of {_LEAST_CHARACTERS} characters "
            "or more, such as openssl rand -hex 32 writes"
        )
    return tuple(hashlib.sha256(line.encode()).digest() for line in found)


def _own() -> tuple[bytes, ...]:
    path = _file()
    if path is not None and _made(path):
        with contextlib.suppress(OSError, UnicodeDecodeError, UserError):
            return _parse(path.read_text(encoding="utf-8"), str(path))
    log(
        logging.WARNING,
        "no resume key can be kept: streams lose their evidence when this daemon ends; "
        "name a file with --resume-key",
        path=None if path is None else str(path),
    )
    return (secrets.token_bytes(32),)


def _file() -> Path | None:
    """Where a daemon of this user keeps its state; None for a user without a home."""
    if folder := os.environ.get("STATE_DIRECTORY"):  # of systemd
        return Path(folder.split(":")[0], "resume.key")
    if folder := os.environ.get("XDG_STATE_HOME"):
        return Path(folder, "dfd", "resume.key")
    with contextlib.suppress(RuntimeError):
        return Path.home() / ".local" / "state" / "dfd" / "resume.key"
    return None


def _made(path: Path) -> bool:
    """Whether there is a file now; of several processes that make it one wins, whole."""
    if path.exists():
        return True
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return True
