"""The documentation builds as a site without broken links, and is up to date."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import ROOT

pytest.importorskip("mkdocs", reason="no builder of the site: pip install 'dfd[docs]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_contains_every_page_and_the_api(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).is_file(), page
    assert "scripts/demo" in (site / "index.html").read_text()
    clients = (site / "api" / "clients.html").read_text()
    for name in ("AsyncDetectionClient", "stream_events", "buffer_seconds"):
        assert name in clients


@pytest.mark.slow
def test_every_link_of_the_site_leads_somewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        if page.name == "404.html":
            continue
        for link in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text()):
            if not re.match(r"[a-z]+:", link):
                assert (page.parent / link).exists(), f"{page.relative_to(site)}: {link}"


def test_the_command_line_page_matches_the_help(tmp_path: Path) -> None:
    written = tmp_path / "cli.md"
    script = ROOT / "scripts" / "generate-cli-page"
    subprocess.run([sys.executable, script, written], check=True, timeout=120)
    assert written.read_text() == (ROOT / "docs" / "cli.md").read_text(), (
        "run scripts/generate-cli-page"
    )


def test_paths_named_in_the_guide_exist() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    paths = re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", guide)
    assert len(paths) > 20
    for path in paths:
        assert (ROOT / path).exists(), path


def test_files_for_the_hosting_site_are_valid() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-config", ROOT / ".pre-commit-config.yaml"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text())
    assert [step for step in workflow["jobs"]["check"]["steps"] if step.get("run") == ".ci/run"]
    for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        if form.name != "config.yml":
            assert {"name", "description", "body"} <= yaml.safe_load(form.read_text()).keys()
