"""The common frame of the console's pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nicegui import app, ui

from dfd import __version__
from dfd.clients.display.casefile import render
from dfd.clients.display.casefile.page import CaseFile

PAGES = (("/", "Live"), ("/file", "File"), ("/calls", "Calls"), ("/model", "Model"))

# The theme follows the browser until the viewer chooses one.
_THEMES: dict[bool | None, bool | None] = {None: True, True: False, False: None}

_STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


@contextmanager
def page(path: str, title: str) -> Iterator[None]:
    """Builds a page's frame; what is built inside the context is its content.

    Args:
        path: path of the page in the navigation.
        title: its heading, and the title of the window.
    """
    ui.page_title(f"{title} - dfd console")
    ui.add_css(_STYLE)
    ui.colors(primary="#1d4ed8")
    theme = ui.dark_mode(app.storage.user.get("dark"))
    ui.html('<a class="skip" href="#main">Skip to the content</a>', sanitize=False)
    with ui.element("header").classes("dfd-bar"):
        ui.label("dfd").classes("name")
        with ui.element("nav").props('aria-label="Pages"').classes("dfd-row").style("gap:.25rem"):
            for target, name in PAGES:
                link = ui.link(name, target)
                if target == path:
                    link.props('aria-current="page"')
        ui.space()

        def change() -> None:
            theme.value = _THEMES[theme.value]
            app.storage.user["dark"] = theme.value
            button.props(f'aria-label="Theme: {named(theme.value)}"')

        button = (
            ui.button(icon="contrast", on_click=change)
            .props(f'flat round dense color=inherit aria-label="Theme: {named(theme.value)}"')
            .tooltip("Dark, light, or same as the browser")
        )
    with ui.element("main").props('id="main" tabindex="-1"').classes("dfd-main"):
        heading(title)
        yield


def named(theme: bool | None) -> str:
    """Returns the name of a theme."""
    return {None: "same as the browser", True: "dark", False: "light"}[theme]


def heading(text: str, level: int = 1) -> ui.element:
    """Makes a heading."""
    with ui.element(f"h{level}") as made:
        ui.html(_escaped(text), sanitize=False, tag="span")
    return made


def _escaped(text: str) -> str:
    import html

    return html.escape(text)


class Text:
    """A paragraph whose text changes, announced to screen readers where it matters."""

    def __init__(self, text: str = "", classes: str = "", *, live: str = "") -> None:
        self._element = ui.html(_escaped(text), sanitize=False, tag="p").classes(classes)
        self._text = text
        self._colour = ""
        if live:
            self._element.props(f'aria-live="{live}" aria-atomic="true"')

    def show(self, text: str, colour: str = "") -> None:
        """Changes the text; `colour` is good, bad, unsure or none."""
        if text != self._text:
            self._text = text
            self._element.set_content(_escaped(text))
        if colour != self._colour:
            self._element.classes(remove=f"dfd-{self._colour}", add=f"dfd-{colour}")
            self._colour = colour

    def wrap(self) -> None:
        """Allows breaks within long words."""
        self._element.style("overflow-wrap:anywhere")

    def visible(self, visible: bool) -> None:
        """Shows or hides it."""
        self._element.set_visibility(visible)


class Facts:
    """Small figures with labels."""

    def __init__(self, *names: str) -> None:
        self._values: dict[str, ui.html] = {}
        with ui.element("div").classes("dfd-facts"):
            for name in names:
                with ui.element("div"):
                    ui.html(_escaped(name), sanitize=False, tag="div").classes("label")
                    made = ui.html("-", sanitize=False, tag="div").classes("value")
                    self._values[name] = made

    def show(self, **values: str) -> None:
        """Updates figures; underscores in a name become spaces."""
        for name, value in values.items():
            element = self._values[name.replace("_", " ")]
            if element.content != _escaped(value):
                element.set_content(_escaped(value))


def report_button(case: Callable[[], CaseFile]) -> None:
    """Adds a button that downloads a page for a case file."""

    def save() -> None:
        page = case()
        name = re.sub(r"[^\w.-]", "_", page.title)
        ui.download.content(render.html(page, __version__), f"{name}.html", "text/html")

    ui.button("Save a report", icon="description", on_click=save).props("no-caps outline").style(
        "align-self:flex-start"
    )


def panel() -> ui.element:
    """Adds a box."""
    return ui.element("section").classes("dfd-panel")


def colour(text: str) -> str:
    """Returns the colour for a verdict's words."""
    low = text.lower()
    if low.startswith(("cannot tell", "no sign")):
        return "unsure"
    return "bad" if low.endswith("synthetic") else "good" if low.endswith("human") else "unsure"
