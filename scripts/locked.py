#!/usr/bin/env python3
"""Prints those lines of requirements.lock that an installation needs, with their hashes.

    scripts/locked.py REPORT

REPORT comes from `pip install --dry-run --report REPORT`. The lines are for `pip install
--require-hashes --no-deps --requirement`. If the lock lacks a package, or has another version of
it, the script says so and fails.
"""

import json
import re
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"
# builds dfd itself, without pip's isolated environment, whose packages would not be checked
_BUILDS = "setuptools"
_PIN = re.compile(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)")


def entries(text: str) -> dict[str, list[tuple[str, str]]]:
    """Returns the versions of each package of a lock, which may differ by system, with lines."""
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in re.split(r"\n(?=\S)", text.strip()):
        pin = _PIN.match(entry)
        if pin is not None:
            found.setdefault(pin[1], []).append((pin[2], entry))
    return found


def chosen(report: dict[str, object], lock: dict[str, list[tuple[str, str]]]) -> list[str]:
    """Returns the lines of the packages that would be installed.

    Raises:
        ValueError: if the lock lacks one of them.
    """
    install = report["install"]
    assert isinstance(install, list)
    wanted = {
        re.sub(r"[-_.]+", "-", one["metadata"]["name"].lower()): one["metadata"]["version"]
        for one in install
    }
    wanted.pop("dfd", None)
    lines = []
    for name, version in sorted(wanted.items()):
        known = dict(lock.get(name, []))
        if version not in known:
            raise ValueError(f"{name} {version} is not in requirements.lock: run scripts/lock")
        lines.append(known[version])
    if _BUILDS not in wanted:
        lines.append(lock[_BUILDS][0][1])
    return lines


def main() -> None:
    """Reads the report and writes the lines."""
    if len(sys.argv) != 2:
        sys.exit("usage: scripts/locked.py REPORT")
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        print("\n".join(chosen(report, entries(LOCK.read_text(encoding="utf-8")))))
    except ValueError as error:
        sys.exit(f"locked: {error}")


if __name__ == "__main__":
    main()
