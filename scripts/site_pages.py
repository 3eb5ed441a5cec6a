"""A hook for MkDocs that adds pages from outside docs/ to the site, and rewrites links.

The pages have links that work in the repository. In the site, a link to one of its pages leads to
that page, and a link to any other file of the repository to a copy of that file.
"""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# a page of the repository -> its place in the site
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "vulnerabilities.md",
    "detector/bundled/README.md": "detector-card.md",
    "deploy/ray/README.md": "ray.md",
    "examples/README.md": "examples/index.md",
}
_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)(?=[)#])")
_INLINE_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)


def sources(files: Files) -> dict[str, str]:
    """Maps the path of each page in the repository to its place in the site."""
    own = [file.src_uri for file in files if file.generated_by is None]
    return {f"docs/{name}": name for name in own} | PAGES


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages, and each file that a page links to."""
    for source, place in PAGES.items():
        content = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, place, content=content))
    known = sources(files)
    for source in [name for name in known if name.endswith(".md")]:
        for target in _links(source):
            path = ROOT / target
            if target not in known and path.is_file():
                place = f"files/{target}"
                files.append(File.generated(config, place, abs_src_path=str(path)))
                known[target] = place
    return files


def on_page_markdown(markdown: str, *, page: Any, files: Files, **_: Any) -> str:
    """Rewrites the links of one page."""
    known = sources(files)
    by_place = {place: source for source, place in known.items()}
    here = page.file.src_uri
    source = by_place[here]

    def rewritten(match: re.Match[str]) -> str:
        target = os.path.normpath(Path(source).parent / match[1])
        place = known.get(target)
        if place is None and (ROOT / target).is_file():
            place = f"files/{target}"
        return match[1] if place is None else os.path.relpath(place, Path(here).parent)

    return _LINK.sub(rewritten, markdown)


def _links(source: str) -> list[str]:
    """Returns the targets of a page's links, relative to the repository's root."""
    path = ROOT / source
    text = _INLINE_CODE.sub("", path.read_text(encoding="utf-8"))
    return [os.path.normpath(path.parent.relative_to(ROOT) / link) for link in _LINK.findall(text)]
