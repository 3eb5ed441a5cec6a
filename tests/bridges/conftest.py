from collections.abc import AsyncIterator

import pytest

from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script


@pytest.fixture
async def daemon() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(Script()) as server:
        yield server
