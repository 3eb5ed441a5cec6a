"""The console's server: pages, the microphone's web socket, and access control."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI, WebSocket
from nicegui import Client, ui
from nicegui.storage import Storage

from dfd.console import calls, files, history, live, model
from dfd.console.access import Doorkeeper
from dfd.console.hub import Hub
from dfd.console.microphone import Session
from dfd.console.options import ConsoleOptions, Reader
from dfd.errors import UserError


class Pages:
    """The pages of one console."""

    def __init__(self, hub: Hub, read: Reader | None) -> None:
        self._hub = hub
        self._read = read
        self._sessions: dict[str, Session] = {}

    def add(self, app: FastAPI) -> None:
        """Registers them."""
        hub, read = self._hub, self._read

        @ui.page("/")
        def _live(client: Client) -> None:
            session = Session(hub.client, hub.server)
            self._sessions[session.key] = session
            client.on_delete(lambda: self._sessions.pop(session.key, None))
            live.build(hub, session)

        @ui.page("/file")
        def _file() -> None:
            files.build(hub)

        @ui.page("/calls")
        def _calls() -> None:
            calls.build(hub, history=read is not None)

        if read is not None:

            @ui.page("/calls/history")
            def _history() -> None:
                history.build(read)

            @ui.page("/calls/history/{key}")
            async def _past(key: str) -> None:
                await history.build_one(read, key)

        @ui.page("/calls/{key}")
        def _call(key: str) -> None:
            calls.build_one(hub, key)

        @ui.page("/model")
        async def _model() -> None:
            await model.build(hub)

        @app.websocket("/microphone/{key}")
        async def _microphone(socket: WebSocket, key: str) -> None:
            session = self._sessions.get(key)
            if session is None:
                await socket.close(4404)
            else:
                await session.serve(socket)


async def serve(options: ConsoleOptions, announce: Callable[[str], None]) -> None:
    """Serves the console until SIGINT or SIGTERM.

    Args:
        options: how to serve.
        announce: called with the ready line.

    Raises:
        UserError: if the port is unavailable, or a PEM file cannot be read.
    """
    hub = Hub(options.connections)
    listening = _bind(options.host, options.port)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    Pages(hub, options.history).add(app)
    ui.run_with(
        app,
        title="dfd console",
        favicon="🎙️",
        dark=None,
        language="en-US",
        storage_secret=secrets.token_urlsafe(32),
        show_welcome_message=False,
        tailwind=False,
    )
    config = uvicorn.Config(
        Doorkeeper(app, options.token),
        log_level="warning",
        access_log=False,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
        timeout_graceful_shutdown=2,
        ws_max_size=1 << 20,
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.leave)
    scheme = "https" if options.tls_cert else "http"
    host = f"[{options.host}]" if ":" in options.host else options.host
    announce(f"dfd console ready on {scheme}://{host}:{listening.getsockname()[1]}/")
    # keep NiceGUI's per-viewer storage (the theme) out of the current folder
    with tempfile.TemporaryDirectory(prefix="dfd-console-") as folder:
        Storage.path = Path(folder)
        try:
            await server.serve([listening])
        finally:
            await hub.aclose()


class _Server(uvicorn.Server):
    """A server that leaves signals to its caller."""

    def leave(self) -> None:
        """Stops gracefully; if called again, at once."""
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Does nothing, since signals are already handled."""
        yield


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another port with --port"
        ) from None
