"""A cache of results of earlier starts on this machine, which would take time to find again.

It is one small JSON file in the user's cache folder, which may be deleted at any time:
`$DFD_CACHE_DIR`, `$XDG_CACHE_HOME/dfd` or `~/.cache/dfd`. If it cannot be read or written, nothing
is cached.
"""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

# A file that grows beyond this is started again.
_MOST_ENTRIES = 256


def recall(topic: str, conditions: dict[str, Any]) -> Any:
    """Returns what was stored last under the same conditions; None if nothing was."""
    return _entries().get(_key(topic, conditions))


def remember(topic: str, conditions: dict[str, Any], found: Any) -> None:
    """Stores a result.

    Args:
        topic: kind of result.
        conditions: everything that it depends on.
        found: the result, in types that JSON has.
    """
    entries = _entries()
    if len(entries) >= _MOST_ENTRIES:
        entries = {}
    entries[_key(topic, conditions)] = found
    path = _path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w") as file:
            json.dump(entries, file, indent=1)
        os.replace(beside, path)


def _path() -> Path:
    named = os.environ.get("DFD_CACHE_DIR")
    if named:
        return Path(named) / "models.json"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path("~/.cache").expanduser()) / "dfd" / "models.json"


def _entries() -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        found = json.loads(_path().read_text())
        if isinstance(found, dict):
            return found
    return {}


def _key(topic: str, conditions: dict[str, Any]) -> str:
    return f"{topic} {json.dumps(conditions, sort_keys=True)}"
