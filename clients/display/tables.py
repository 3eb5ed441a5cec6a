"""Result tables: one style for every verb, and one set of words for verdicts.

A table fits its terminal: if that is narrow, the least important columns are left out, with a
note, and no number is ever cut.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from dfd.clients.display.verdicts import reason_words, verdict_name
from dfd.clients.display.words import carries

_STYLES = {"spoof": "bold red", "bonafide": "bold green"}
_PIPE_WIDTH = 160
_ASCII_HEAD = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
# what `box.SIMPLE_HEAD` puts between two columns, and at both ends together
_BETWEEN, _ENDS = 3, 2


@dataclass(slots=True)
class Column:
    """One column.

    Attributes:
        name: its heading.
        right: whether to align to the right, as for numbers.
        rank: 0 is always shown; of the others the highest is left out first.
        least: width to which a text column may be folded; None keeps cells whole.
    """

    name: str
    right: bool = False
    rank: int = 0
    least: int | None = None
    cells: list[Text] = field(default_factory=list)

    def add(self, cell: Text | str) -> None:
        """Appends a cell."""
        self.cells.append(cell if isinstance(cell, Text) else Text(cell))

    @property
    def width(self) -> int:
        """The smallest width at which it can be drawn."""
        lines = [line for cell in (Text(self.name), *self.cells) for line in cell.split()]
        widest = max((line.cell_len for line in lines), default=0)
        return widest if self.least is None else min(widest, self.least)


def result_console() -> Console:
    """Returns standard output as a console; in a pipe it is wide enough for every column."""
    console = Console()
    console.width = result_width(console)
    return console


def result_width(console: Console) -> int:
    """Returns how wide tables may be: a pipe has no width of its own."""
    return console.width if console.is_terminal else max(console.width, _PIPE_WIDTH)


class _Plain(Table):
    """A table that keeps its one line below the head on ASCII terminals, and gets no others."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.ascii_only:
            self.box = _ASCII_HEAD
        yield from super().__rich_console__(console, options)


def plain_table(*, title: str = "", caption: str = "") -> Table:
    """Returns an empty table in the style of all results."""
    return _Plain(
        box=box.SIMPLE_HEAD,
        title=title or None,
        title_justify="left",
        caption=caption or None,
        caption_justify="left",
        pad_edge=False,
    )


def fitted(columns: Sequence[Column], width: int, *, title: str = "", caption: str = "") -> Table:
    """Returns a table that fits this many terminal columns."""
    shown, left_out = list(columns), []
    while sum(column.width + _BETWEEN for column in shown) - _BETWEEN + _ENDS > width:
        least = max(shown, key=lambda column: column.rank)
        if least.rank == 0:
            break
        shown.remove(least)
        left_out.append(least.name)
    if left_out:
        note = f"columns left out to fit: {', '.join(reversed(left_out))}"
        caption = f"{caption}\n{note}" if caption else note
    table = plain_table(title=title, caption=caption)
    for column in shown:
        table.add_column(
            column.name,
            justify="right" if column.right else "left",
            no_wrap=column.least is None,
            overflow="fold",
            min_width=column.width,
        )
    for row in zip(*(column.cells for column in shown), strict=True):
        table.add_row(*row)
    return table


def verdict_text(
    verdict: str | None, reasons: Iterable[str] = (), watermarks: Iterable[str] = ()
) -> Text:
    """Returns a verdict in words, with the reasons below it if it is inconclusive.

    Args:
        verdict: spoof, bonafide or inconclusive; None if there is none.
        reasons: reasons, by their names in the contract.
        watermarks: schemes of the watermarks that were found.
    """
    if not verdict:
        return Text("-")
    text = Text(verdict_name(verdict), style=_STYLES.get(verdict, "yellow"))
    for reason in reasons:
        text.append(f"\n{reason_words(reason)}", style="dim")
    if found := carries(watermarks):
        text.append(f"\n{found}", style="bold red")
    return text


def number(value: float | None, digits: int = 3) -> str:
    """Formats a figure; None is a dash."""
    return "-" if value is None else f"{value:.{digits}f}"
