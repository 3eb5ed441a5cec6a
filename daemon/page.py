"""The HTTP page for Prometheus and probes, served by few threads with a time limit for each."""

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from socket import AF_INET6, SHUT_RDWR, SO_REUSEPORT, SOL_SOCKET, socket
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from dfd.errors import UserError

_THREADS = 8
_SECONDS = 10.0


class _Quiet(WSGIRequestHandler):
    """Keeps requests to the page out of the log."""

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


class _Bounded(ThreadingMixIn, WSGIServer):
    """Serves each request in a thread, up to a limit; further connections are closed."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, *arguments: Any) -> None:
        self._room = threading.Semaphore(_THREADS)
        super().__init__(*arguments)

    def get_request(self) -> Any:
        """Accepts a connection; if it cannot, waits a little before the next attempt."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.1)  # without a free descriptor the connection stays ready to be accepted
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Refuses a request if all threads are busy."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves one request, with a limit on the time from its first byte to its last."""
        limit = threading.Timer(_SECONDS, _hang_up, (request,))
        limit.daemon = True
        limit.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            limit.cancel()
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that left or were too slow."""


class _BoundedV6(_Bounded):
    address_family = AF_INET6


def _hang_up(request: socket) -> None:
    try:
        request.shutdown(SHUT_RDWR)
    except OSError:
        return  # gone meanwhile


class MetricsPage:
    """Serves `/metrics`, `/healthz` and `/readyz` from its own threads.

    Args:
        registry: the metrics.
        host, port: address to serve on; port 0 picks a free one.
        ready: returns whether streams are accepted.
        shared: whether another daemon may share the port for a while.

    Raises:
        UserError: if the port is unavailable.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        host: str,
        port: int,
        ready: Callable[[], bool],
        shared: bool = False,
    ) -> None:
        figures = make_wsgi_app(registry)

        def answer(environ: Any, start_response: Any) -> Any:
            path = environ.get("PATH_INFO", "")
            if path in ("/", "/metrics"):
                return figures(environ, start_response)
            status, text = HTTPStatus.OK, "ok"
            if path == "/readyz" and not ready():
                status, text = HTTPStatus.SERVICE_UNAVAILABLE, "not accepting streams"
            elif path not in ("/healthz", "/readyz"):
                status, text = HTTPStatus.NOT_FOUND, "try /metrics, /healthz or /readyz"
            start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain")])
            return [f"{text}\n".encode()]

        kind = _BoundedV6 if ":" in host else _Bounded
        self._server = kind((host, port), _Quiet, False)
        if shared:
            self._server.socket.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        try:
            self._server.server_bind()
            self._server.server_activate()
        except OSError as error:
            self._server.server_close()
            raise UserError(
                f"cannot serve metrics on {host}:{port}: {error.strerror or error}; "
                "choose another --metrics-port, or --no-metrics"
            ) from None
        self._closed = False
        self._server.set_app(answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="dfd-metrics", daemon=True
        )
        self._thread.start()
        self.port: int = self._server.server_port
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}/metrics"

    def close(self) -> None:
        """Releases the port; closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
