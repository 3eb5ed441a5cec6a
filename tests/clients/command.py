"""Runs `dfd` as a user does, in a process of its own, with a server in this one."""

import asyncio
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from click.testing import CliRunner

DFD = (sys.executable, "-m", "dfd")


def clean(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns an environment that names no server and no token."""
    base = dict(os.environ if environment is None else environment)
    return {k: v for k, v in base.items() if not k.startswith("DFD_")} | {"COLUMNS": "120"}


_WAIT = re.compile(r"^dfd .*, \d+ s so far\n", re.MULTILINE)


@dataclass
class Done:
    """The result; lines about waiting on a busy machine are removed from `err`."""

    status: int
    out: str
    err: str

    def __post_init__(self) -> None:
        self.err = _WAIT.sub("", self.err)

    def is_one_line(self) -> bool:
        """Returns whether a mistake was reported in one line."""
        return self.status == 2 and self.err.count("\n") == 1 and "Traceback" not in self.err


def dfd_here(*words: object) -> Done:
    """Runs a command in this process, which is quicker, for runs that end before streaming."""
    from dfd.cli.main import cli

    environment = {key: None for key in os.environ if key.startswith("DFD_")}
    result = CliRunner(env=environment).invoke(cli, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


async def dfd(*words: object, environment: Mapping[str, str] | None = None, **more: str) -> Done:
    process = await asyncio.create_subprocess_exec(
        *DFD,
        *(str(word) for word in words),
        env=clean(environment) | more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    return Done(process.returncode or 0, out.decode(), err.decode())
