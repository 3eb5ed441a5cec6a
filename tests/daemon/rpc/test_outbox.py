import asyncio

from dfd.daemon.rpc.outbox import Outbox
from dfd.v1 import detection_pb2 as pb
from tests.waiting import turns, until


def message(name: str) -> pb.StreamingDetectResponse:
    return pb.StreamingDetectResponse(warning=pb.Warning(reason=name))


class Wire:
    """A wire that accepts messages while it is open."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.open = asyncio.Event()

    async def write(self, raw: bytes) -> None:
        await self.open.wait()
        self.names.append(pb.StreamingDetectResponse.FromString(raw).warning.reason)


async def test_urgent_messages_precede_all_but_the_first() -> None:
    box, wire, written = Outbox(), Wire(), []
    wire.open.set()
    box.put(message("started"), lambda: written.append("started"))
    box.put(message("a"))
    box.put_first(message("urgent"))
    writing = asyncio.create_task(box.write_all(wire.write))
    await until(lambda: len(wire.names) == 3, every=0.0)
    wire.open.clear()
    box.put(message("b"))
    box.put(message("c"))
    box.put_first(message("more urgent"))
    wire.open.set()
    box.close()
    await writing
    assert wire.names == ["started", "urgent", "a", "more urgent", "b", "c"]
    assert written == ["started"]


async def test_it_knows_how_long_a_message_has_been_waiting() -> None:
    box, wire = Outbox(), Wire()
    before = asyncio.get_running_loop().time()
    writing = asyncio.create_task(box.write_all(wire.write))
    at_first = (
        box.writing_since
    )  # a separate name, so that mypy does not narrow the attribute's type
    assert at_first is None
    box.put(message("a"))
    await until(lambda: box.writing_since is not None, every=0.0)
    assert box.writing_since is not None
    assert before <= box.writing_since <= asyncio.get_running_loop().time()
    wire.open.set()
    box.close()
    await writing
    assert box.writing_since is None


async def test_it_reports_when_it_is_full() -> None:
    box, wire = Outbox(capacity=2), Wire()
    writing = asyncio.create_task(box.write_all(wire.write))
    for name in "abc":
        assert box.full == (name == "c")
        box.put(message(name))
    waiting = asyncio.create_task(box.until_room())
    await turns()
    assert not waiting.done()
    wire.open.set()
    await waiting
    assert not box.full
    box.close()
    await writing
    assert wire.names == ["a", "b", "c"]


async def test_abandoned_messages_are_dropped() -> None:
    box, wire = Outbox(), Wire()
    wire.open.set()
    box.put(message("a"))
    box.abandon()
    box.close()
    await box.write_all(wire.write)
    assert wire.names == []
