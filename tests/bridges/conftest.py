from collections.abc import AsyncIterator

import pytest

from tests.clients.scripted import Script, ScriptedServer


@pytest.fixture
async def daemon() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(Script()) as server:
        yield server
