"""What the README shows is true."""

import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import ROOT, Daemon

README = (ROOT / "README.md").read_text()


def block(language: str, containing: str) -> str:
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", README, re.S) if containing in b]
    assert len(found) == 1, f"one {language} block with {containing!r}"
    return str(found[0])


def test_the_ten_lines_of_python_run(daemon: Daemon, synthetic: list[Path]) -> None:
    code = block("python", "DetectionClient")
    assert len(code.splitlines()) <= 10
    code = code.replace("localhost:50051", daemon.address).replace("call.wav", str(synthetic[0]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "spoof" in done.stdout


def test_the_commands_named_exist() -> None:
    for script in re.findall(r"\bscripts/[a-z-]+", README):
        assert (ROOT / script).is_file(), script


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_no_page_names_a_private_folder() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *Path(ROOT).glob("*/README.md")]
    for page in pages:
        assert not re.search(r"(?<!\w)/(home|root|Users)/", page.read_text()), page.name


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def test_files_named_exist() -> None:
    rooms = "|".join(one.name for one in ROOT.iterdir() if one.is_dir() and one.name.isalpha())
    for page in PAGES:
        for name in re.findall(rf"`((?:{rooms})/[\w/.-]+\.\w+)[`:]", page.read_text()):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_selections_of_tests_select_some() -> None:
    """A renamed test leaves `pytest FILE -k WORD` in a page without a meaning."""
    selections = []
    for page in PAGES:
        for name, word in re.findall(r"(tests/[\w/]+\.py)`? -k (\w+)", page.read_text()):
            selections.append(word)
            found = re.findall(r"^(?:async )?def (test_\w+)", (ROOT / name).read_text(), re.M)
            assert [one for one in found if word in one], f"{page.name}: {name} -k {word}"
    assert selections
