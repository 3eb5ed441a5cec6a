"""A cache of results of earlier starts on this machine, which would take time to find again.

It is one small JSON file in the user's cache folder, which may be deleted at any time:
`$DFD_CACHE_DIR`, `$XDG_CACHE_HOME/dfd` or `~/.cache/dfd`. If it cannot be read or written, nothing
is cached; if it is not what was written, a warning says that it is ignored.
"""

import contextlib
import functools
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

# A file that grows beyond this is started again.
_MOST_ENTRIES = 256

_LOGGER = logging.getLogger("dfd.detector")


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
    if path is None:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w") as file:
            json.dump(entries, file, indent=1)
        os.replace(beside, path)


def _path() -> Path | None:
    """Returns the file; None if this user has no home folder."""
    named = os.environ.get("DFD_CACHE_DIR")
    if named:
        return Path(named) / "models.json"
    home = os.environ.get("XDG_CACHE_HOME")
    with contextlib.suppress(RuntimeError):
        folder = Path(home) if home else Path("~/.cache").expanduser()
        return folder / "dfd" / "models.json"
    return None


def _entries() -> dict[str, Any]:
    path = _path()
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError:
        return {}
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    _warn_once(path)
    return {}


@functools.cache
def _warn_once(path: Path) -> None:
    _LOGGER.warning(
        "%s is damaged and is ignored: what earlier starts found here is found again", path
    )


def _key(topic: str, conditions: dict[str, Any]) -> str:
    return f"{topic} {json.dumps(conditions, sort_keys=True)}"
