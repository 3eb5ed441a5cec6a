import asyncio
import socket
import struct
from typing import Any

from dfd.daemon.multiprocess.records import RecordLink
from tests.waiting import turns, until

FORM = struct.Struct("<Id")


async def linked(records: list[Any], lost: list[bool]) -> tuple[RecordLink, socket.socket]:
    ours, theirs = socket.socketpair()
    link = RecordLink(FORM, lambda *record: records.append(record), lambda: lost.append(True))
    await asyncio.get_running_loop().connect_accepted_socket(lambda: link, ours)
    theirs.setblocking(False)
    return link, theirs


async def test_records_are_complete_however_they_are_split() -> None:
    records: list[Any] = []
    lost: list[bool] = []
    link, theirs = await linked(records, lost)
    content = b"".join(FORM.pack(number, number / 2) for number in range(5))
    loop = asyncio.get_running_loop()
    for at in range(0, len(content), 7):
        await loop.sock_sendall(theirs, content[at : at + 7])
        await turns()
    theirs.close()
    await until(lambda: lost, every=0.001)
    assert records == [(number, number / 2) for number in range(5)]
    link.say(b"nobody hears this")
    link.close()


async def test_records_of_one_loop_iteration_are_one_write() -> None:
    link, theirs = await linked([], [])
    with theirs:
        for number in range(3):
            link.say(FORM.pack(number, 0.0))
        got = await asyncio.get_running_loop().sock_recv(theirs, 1000)
        assert [number for number, _ in FORM.iter_unpack(got)] == [0, 1, 2]
        link.say(FORM.pack(9, 0.0))
        link.close()  # after the previous messages
        got = await asyncio.get_running_loop().sock_recv(theirs, 1000)
        assert [number for number, _ in FORM.iter_unpack(got)] == [9]
