import asyncio
import json

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.options import StreamOptions
from tests.clients.command import dfd, dfd_here
from tests.daemon.conftest import serve
from tests.daemon.harness import Serve

__all__ = ["serve"]


async def test_running_streams_as_a_table_and_as_json(serve: Serve) -> None:
    h = await serve()
    where = f"127.0.0.1:{h.server.port}"
    async with AsyncDetectionClient(where) as client:
        options = [StreamOptions(stream_id=name, labels={"queue": name}) for name in ("a", "b")]
        async with client.stream(options=options[0]), client.stream(options=options[1]):
            table, lines, filtered = await asyncio.gather(
                dfd("watch", "--once", "--server", where),
                dfd("watch", "--once", "--json", "--server", where),
                dfd("watch", "--once", "--json", "--filter", "queue=b", "--server", where),
            )
    assert (table.status, table.err) == (0, "")
    assert "2 streams" in table.out
    assert "queue=a" in table.out
    told = json.loads(lines.out)
    assert told["snapshot"] is True
    assert {one["stream_id"] for one in told["streams"]} == {"a", "b"}
    assert [one["stream_id"] for one in json.loads(filtered.out)["streams"]] == ["b"]


async def test_several_daemons_are_one_list(serve: Serve) -> None:
    nodes = [await serve(), await serve()]
    places = [f"127.0.0.1:{node.server.port}" for node in nodes]
    servers = [word for place in places for word in ("--server", place)]
    async with (
        AsyncDetectionClient(places[0]) as one,
        AsyncDetectionClient(places[1]) as other,
        one.stream(options=StreamOptions(stream_id="a")),
        other.stream(options=StreamOptions(stream_id="b")),
    ):
        table, lines = await asyncio.gather(
            dfd("watch", "--once", *servers), dfd("watch", "--once", "--json", *servers)
        )
    assert (table.status, table.err) == (0, "")
    assert "2 streams" in table.out
    told = {line["server"]: line for line in map(json.loads, lines.out.splitlines())}
    assert [told[place]["streams"][0]["stream_id"] for place in places] == ["a", "b"]


async def test_a_missing_daemon_among_several_is_reported(serve: Serve) -> None:
    place = f"127.0.0.1:{(await serve()).server.port}"
    done = await dfd("watch", "--once", "--server", place, "--server", "127.0.0.1:1")
    assert done.is_one_line()
    assert "no server answers at 127.0.0.1:1" in done.err


def test_without_a_server() -> None:
    done = dfd_here("watch", "--server", "127.0.0.1:1")
    assert done.is_one_line()
    assert "no server answers at 127.0.0.1:1" in done.err


def test_the_orders_match_those_of_the_display() -> None:
    from dfd.cli.watch import SORTS
    from dfd.clients.display import watch

    assert set(SORTS) == set(watch.SORTS)
