"""Changes every threshold of a room, one at a time, and checks that a test of the room fails.

    python scripts/mutate.py                            all of streaming/
    python scripts/mutate.py streaming/judgement        a part of it

A threshold is a number in a module's constant, in the default of a class's attribute, or in the
body of a function unless it is 0, 1 or -1. Each is made larger and smaller by a third or more, in a
copy of the room. The module's own test runs first and, if it passes, all tests of the room. Changes
that no test notices are listed, and the exit status is then 1.
"""

import argparse
import ast
import importlib
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# libraries that the tests import, imported once for all runs
LIBRARIES = ("numpy", "scipy.signal", "soxr", "webrtcvad")
# constants whose value makes no difference to results, and why
EQUIVALENT = {
    "covered_until -> -1": "no window starts before 0",
    "_NO_ALERTS -> -0.5": "no alert is raised before 0",
    "_BLOCK_SECONDS": "size of a block: the results are the same for any",
    "_LEAST_PROBABILITY": "keeps a logarithm finite; nothing depends on its value",
    "_mulaw_table -> 384": "its first 256 entries, which are those used, stay as they are",
    "_alaw_table -> 384": "as in the other table",
    "spoof_probability": "keeps an exponential finite; probabilities are 0 or 1 there anyhow",
    "track.__init__": "frames held beyond those that a window can touch",
    "_session": "the level from which ONNX Runtime logs",
    "_SEGMENTS_PER_SECOND": "density of a spectrum's samples: any density gives the same band",
}


@dataclass(frozen=True)
class Mutant:
    """One number, changed."""

    path: Path
    name: str
    line: int
    columns: tuple[int, int]
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.name}: {self.old} -> {self.new}"

    def applied(self, source: str) -> str:
        """Returns the module's source with the change."""
        lines = source.splitlines(keepends=True)
        first, last = self.columns
        line = lines[self.line - 1]
        lines[self.line - 1] = line[:first] + self.new + line[last:]
        return "".join(lines)


def mutants(path: Path) -> Iterator[Mutant]:
    """Yields the mutants of a module."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for name, node in thresholds(tree):
        assert isinstance(node.value, int | float)
        assert node.end_col_offset is not None
        columns = node.col_offset, node.end_col_offset
        for other in changed(node.value):
            if not EQUIVALENT.keys() & {name, f"{name} -> {other}", f"{path.stem}.{name}"}:
                yield Mutant(path, name, node.lineno, columns, repr(node.value), repr(other))


def thresholds(tree: ast.Module) -> Iterator[tuple[str, ast.Constant]]:
    """Yields each number that is a threshold, with the name of its constant or function."""
    for scope in ast.walk(tree):
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in numbers(scope):
                if node.value not in (0, 1, -1):
                    yield scope.name, node
        elif isinstance(scope, ast.Module | ast.ClassDef):
            for statement in scope.body:
                if isinstance(statement, ast.AnnAssign):
                    yield from ((ast.unparse(statement.target), one) for one in numbers(statement))
                elif isinstance(statement, ast.Assign):
                    name = ast.unparse(statement.targets[0])
                    yield from ((name, one) for one in numbers(statement.value))


def numbers(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yields the numbers in an expression or a statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            yield node


def changed(value: float) -> list[float]:
    """Returns a number made larger and smaller."""
    if isinstance(value, int):
        return [max(value + 1, value * 3 // 2), min(value - 1, value * 2 // 3)]
    if value == 0.0:
        return [0.5, -0.5]
    return [value * 1.5, value / 1.5]


class Copy:
    """A copy of one room, with links to its tests and to everything else."""

    def __init__(self, folder: Path, room: str) -> None:
        self.folder = folder
        self.log = folder / "log"
        self._room = room
        package = folder / "src" / "dfd"
        package.mkdir(parents=True)
        for entry in (ROOT / "src" / "dfd").iterdir():
            if entry.name == room:
                (package / room).symlink_to(folder / room)
            elif entry.name != "__pycache__":
                (package / entry.name).symlink_to(entry.resolve())
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("tests", "pyproject.toml"):
            (folder / name).symlink_to(ROOT / name)

    def passes(self, tests: Path) -> bool:
        """Runs tests on the copy in a child process, which has the libraries already.

        Returns:
            Whether they pass.
        """
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = self._run(tests)
            except BaseException:
                traceback.print_exc()
            finally:  # whatever happens, the child must end here
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        return status == 0

    def _run(self, tests: Path) -> int:
        os.chdir(self.folder)
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.path[:0] = [str(self.folder / "src"), str(self.folder)]
        sys.dont_write_bytecode = True
        return pytest.main(["-q", "-x", "-p", "no:cacheprovider", str(tests)])

    def survives(self, mutant: Mutant) -> bool:
        """Returns whether all tests of the room pass with a mutant."""
        target = self.folder / mutant.path
        before = target.read_text(encoding="utf-8")
        target.write_text(mutant.applied(before), encoding="utf-8")
        try:
            own = Path("tests") / mutant.path.with_name(f"test_{mutant.path.name}")
            if (ROOT / own).exists() and not self.passes(own):
                return False
            return self.passes(Path("tests") / self._room)
        finally:
            target.write_text(before, encoding="utf-8")


def main() -> None:
    """Runs the mutants of a room or a part of one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", nargs="?", default="streaming", help="a room, or a part of one")
    path = Path(parser.parse_args().path)
    whole = ROOT / path
    modules = sorted(whole.rglob("*.py")) if whole.is_dir() else [whole]
    found = [mutant for one in modules for mutant in mutants(one.relative_to(ROOT))]
    for library in LIBRARIES:
        importlib.import_module(library)
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder), path.parts[0])
        if not copy.passes(Path("tests") / path.parts[0]):
            sys.exit(f"{copy.log.read_text()}\nmutate: the tests fail without any change")
        for mutant in found:
            if copy.survives(mutant):
                survivors.append(mutant)
                print(f"not noticed: {mutant}", flush=True)
    print(f"{len(found) - len(survivors)} of {len(found)} changes were noticed")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
