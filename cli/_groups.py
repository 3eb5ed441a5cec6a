"""Groups of verbs: an unknown verb is reported in one line, with a suggestion."""

import difflib
from typing import Any

import click

from dfd.cli._errors import OneLineError, Verb
from dfd.cli._help import SETTINGS


class VerbGroup(click.Group):
    """A verb with subcommands."""

    command_class = Verb

    def __init__(self, *args: Any, **more: Any) -> None:
        more["context_settings"] = SETTINGS | (more.get("context_settings") or {})
        super().__init__(*args, **more)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the verb."""
        word = args[0]
        if self.get_command(ctx, word) is None and not word.startswith("-"):
            verbs = self.list_commands(ctx)
            near = difflib.get_close_matches(word, verbs, n=1)
            what = f"did you mean {near[0]}?" if near else f"choose from: {', '.join(verbs)}"
            path = ctx.command_path.partition(" ")[2]
            raise OneLineError(path, f"there is no command {word!r}: {what}")
        return super().resolve_command(ctx, args)
