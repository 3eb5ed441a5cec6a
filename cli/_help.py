"""The layout of help texts: what a verb does, examples, its options, what to read next."""

from collections.abc import Sequence
from typing import Any

import click

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Teaching(click.Command):
    """A command whose help has examples and names the page to read next.

    Args:
        examples: command lines, as a user would type them.
        read_on: the page of the documentation.
    """

    def __init__(
        self, *args: Any, examples: Sequence[str] = (), read_on: str = "", **more: Any
    ) -> None:
        more["context_settings"] = SETTINGS | (more.get("context_settings") or {})
        super().__init__(*args, **more)
        self.examples = tuple(examples)
        self.read_on = read_on

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes what the verb does, and the examples as they are typed."""
        super().format_help_text(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the epilog, and which page to read next."""
        super().format_epilog(ctx, formatter)
        if self.read_on:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(f"See also: {self.read_on}")
