"""Databases for a journal: SQLite, and PostgreSQL started by the test."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Starts a server on a socket in its own folder; yields its URL."""
    found = shutil.which("initdb") or (str(PROGRAMS[-1] / "initdb") if PROGRAMS else None)
    if found is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    programs = Path(found).parent
    who: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        nobody = pwd.getpwnam("nobody")
        who = {"user": nobody.pw_uid, "group": nobody.pw_gid}
    with tempfile.TemporaryDirectory(prefix="dfd-pg-") as folder:
        if who:
            os.chown(folder, who["user"], who["group"])
        data = f"{folder}/data"
        command = [str(programs / "initdb"), "-D", data, "-U", "dfd", "-A", "trust", "-N"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **who)
        server = subprocess.Popen(
            [str(programs / "postgres"), "-D", data, "-k", folder, "-c", "listen_addresses="],
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            **who,
        )
        try:
            assert server.stderr is not None
            for line in server.stderr:
                if "ready to accept connections" in line:
                    break
            yield f"postgresql:///postgres?host={folder}&user=dfd"
        finally:
            server.terminate()
            server.communicate()
