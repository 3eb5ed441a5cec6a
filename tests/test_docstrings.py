"""Rules for docstrings that the linter cannot check (CONTRIBUTING.md, Style)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = sorted(one.name for one in (ROOT / "src" / "dfd").iterdir() if one.is_symlink())
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstrings() -> Iterator[tuple[str, str]]:
    """Yields the place and the text of each docstring of the rooms."""
    for room in set(ROOMS) - {"v1"}:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
                    name = getattr(node, "name", "module")
                    yield f"{path.relative_to(ROOT)}: {name}", text


DOCSTRINGS = list(docstrings())


def test_code_is_in_single_backticks() -> None:
    assert [where for where, text in DOCSTRINGS if "``" in text.replace("```", "")] == []


def test_raises_say_when() -> None:
    entry = re.compile(r"^ {4}[A-Za-z_.]+(?:, [A-Za-z_.]+)*: (.*)$", re.M)
    allowed = re.compile(r"(if|on|when|with|for|as|[A-Z]+_[A-Z_]+)\b")
    wrong = [
        f"{where}: {clause}"
        for where, text in DOCSTRINGS
        for section in re.findall(r"^Raises:\n((?: {4}.*\n?)+)", text, re.M)
        for clause in entry.findall(section)
        if not allowed.match(clause)
    ]
    assert wrong == []
