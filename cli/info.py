"""`dfd info`: what a daemon offers."""

from typing import Any

import click

from dfd.cli._connection import connection, server_options
from dfd.cli._errors import Verb


@click.command(
    "info",
    cls=Verb,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@server_options
@click.option("--json", "as_json", is_flag=True, help="Write the server's answer as JSON.")
def command(as_json: bool, **server: Any) -> None:
    """Show what a daemon offers: models, formats, limits, load."""
    import asyncio
    import dataclasses
    import json

    from rich.console import Console

    from dfd.clients.client import AsyncDetectionClient
    from dfd.clients.info_view import info_table

    where = connection(**server)

    async def ask() -> Any:
        async with AsyncDetectionClient(where) as client:
            return await client.server_info()

    info = asyncio.run(ask())
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(info), indent=2))
    else:
        Console().print(info_table(info, where.server))
