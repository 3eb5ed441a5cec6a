"""The keys that sign states: from a file, from the environment, or generated here."""

import contextlib
import hashlib
import logging
import os
import secrets
from pathlib import Path

from dfd.daemon.logs import log
from dfd.errors import UserError

# Holds the secrets themselves, for places where a variable is easier to provide than a file.
VARIABLE = "DFD_RESUME_KEY"
_LEAST_CHARACTERS = 32


def read_keys(path: Path | None) -> tuple[bytes, ...]:
    """Returns the keys: the first one signs, and signatures of all of them are accepted.

    Args:
        path: a file of secrets, one per line; None takes those in the environment, or else those
            in this user's own file, which is created if it does not exist.

    Raises:
        UserError: if the named file cannot be read, or contains no valid secret.
    """
    if path is not None:
        try:
            return _parse(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise UserError(f"cannot read the resume key {path}: {why}") from None
    if text := os.environ.get(VARIABLE):
        return _parse(text, VARIABLE)
    return _own_keys()


def share_with_children() -> None:
    """Makes sure that child processes read the same keys as this one."""
    own = _own_path()
    if not os.environ.get(VARIABLE) and (own is None or not _ensure(own)):
        os.environ[VARIABLE] = secrets.token_hex(32)


def _parse(text: str, origin: str) -> tuple[bytes, ...]:
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found or any(len(line) < _LEAST_CHARACTERS for line in found):
        raise UserError(
            f"{origin} contains no valid resume key: give a line of {_LEAST_CHARACTERS} characters "
            "or more, such as the output of openssl rand -hex 32"
        )
    return tuple(hashlib.sha256(line.encode()).digest() for line in found)


def _own_keys() -> tuple[bytes, ...]:
    path = _own_path()
    if path is not None and _ensure(path):
        with contextlib.suppress(OSError, UnicodeDecodeError, UserError):
            return _parse(path.read_text(encoding="utf-8"), str(path))
    log(
        logging.WARNING,
        "no resume key can be saved: streams lose their evidence when this daemon ends; "
        "name a file with --resume-key",
        path=None if path is None else str(path),
    )
    return (secrets.token_bytes(32),)


def _own_path() -> Path | None:
    """Returns the path of this user's own key; None for a user without a home folder."""
    if folder := os.environ.get("STATE_DIRECTORY"):  # set by systemd
        return Path(folder.split(":")[0], "resume.key")
    if folder := os.environ.get("XDG_STATE_HOME"):
        return Path(folder, "dfd", "resume.key")
    with contextlib.suppress(RuntimeError):
        return Path.home() / ".local" / "state" / "dfd" / "resume.key"
    return None


def _ensure(path: Path) -> bool:
    """Creates the file if needed; returns whether it exists. Of several processes, one wins."""
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
