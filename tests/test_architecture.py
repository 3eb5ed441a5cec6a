"""The path that docs/architecture.md describes exists in the code."""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import LONGEST

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
STEPS = sorted(set(re.findall(r"`([\w/]+\.py)`\s+`([\w.]+)`", PAGE)))


def names(path: Path) -> set[str]:
    """Returns the functions, classes and methods of a module."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found.add(node.name)
            found |= {
                f"{node.name}.{one.name}"
                for one in node.body
                if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return found


def test_the_page_has_steps() -> None:
    assert len(STEPS) > 15


@pytest.mark.parametrize(("path", "name"), STEPS)
def test_each_step_exists(path: str, name: str) -> None:
    assert name in names(ROOT / path)


def folders() -> list[tuple[str, str]]:
    """Returns each folder in the table of rooms, with its room."""
    found = []
    for row in re.findall(r"^\| (`\w+/`.*)$", PAGE, re.M):
        rooms, contents = row.split("|")[:2]
        for room in re.findall(r"`(\w+)/`", rooms):
            found += [(room, name) for name in re.findall(r"`(\w+)/`", contents)]
    return found


@pytest.mark.parametrize(("room", "name"), folders())
def test_each_folder_exists(room: str, name: str) -> None:
    assert (ROOT / room / name).is_dir()


@pytest.mark.parametrize("room", ["daemon", "clients"])
def test_no_folder_is_missing(room: str) -> None:
    there = {one.parent.name for one in (ROOT / room).glob("*/__init__.py")}
    assert there == {name for of, name in folders() if of == room}


def test_each_room_is_named() -> None:
    rooms = {one.name for one in (ROOT / "src" / "dfd").iterdir() if one.is_symlink()} - {"v1"}
    assert {room for room in rooms if f"`{room}/`" not in PAGE} == set()


def modules() -> list[Path]:
    """Returns the modules written by hand in the rooms and beside them."""
    rooms = [one.name for one in (ROOT / "src" / "dfd").iterdir() if one.name != "v1"]
    folders = [ROOT / name for name in (*rooms, "tests", "scripts", "examples", "deploy")]
    return [path for folder in folders for path in folder.rglob("*.py")]


def test_no_module_has_more_than_300_lines() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_bytes().splitlines()) for path in modules()}
    assert len(lines) > 900
    assert {name: count for name, count in lines.items() if count > 300} == {}


def test_the_longest_tests_exist() -> None:
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)
