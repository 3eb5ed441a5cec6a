"""Renders a case file's page as HTML, and that as PDF."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from dfd.clients.display.casefile.page import CaseFile
from dfd.errors import UserError

_TEMPLATE = Path(__file__).parent / "page.html"


def html(case: CaseFile, version: str) -> str:
    """Renders the page as HTML.

    Args:
        case: its content.
        version: version of the program that writes it.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["css"] = _css
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    written = datetime.now(UTC).isoformat(timespec="seconds")
    return template.render(case=case, version=version, written=written)


def check_pdf() -> None:
    """Checks that a PDF can be written here.

    Raises:
        UserError: if a library is missing.
    """
    try:
        import weasyprint  # noqa: F401
    except ModuleNotFoundError:
        raise UserError("a PDF needs the package weasyprint: pip install 'dfd[pdf]'") from None
    except OSError:
        raise UserError(
            "a PDF needs Pango: apt-get install libpango-1.0-0 libpangoft2-1.0-0"
            " libharfbuzz-subset0"
        ) from None


def pdf(page: str) -> bytes:
    """Renders the page as PDF, on A4.

    Args:
        page: the HTML.

    Raises:
        UserError: if a library is missing.
    """
    check_pdf()
    import weasyprint

    return bytes(
        weasyprint.HTML(string=page, url_fetcher=_nothing).write_pdf(pdf_variant="pdf/ua-1")
    )


def _css(text: str) -> Any:
    """Escapes text for a CSS string, so that it can end neither the string nor the style."""
    import markupsafe

    return markupsafe.Markup(re.sub(r"[^A-Za-z0-9 ._-]", lambda c: f"\\{ord(c[0]):06x}", text))


def _nothing(url: str, *_: object, **__: object) -> NoReturn:
    raise ValueError(f"the page fetches nothing, not {url}")
