"""A stand-in for the Hugging Face hub on this machine, which the hub's own library talks to."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A hub on this machine, with one model.

    Attributes:
        folder: files of the model.
        name: its id.
        refusal: status and X-Error-Code of every answer; None gives the files.
        asked: paths of the files that were sent.
    """

    folder: Path
    name: str = "org/model"
    refusal: tuple[int, str] | None = None
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serves it; yields its URL."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, *, head: bool) -> None:
                if not self.path.startswith(f"/{hub.name}/resolve/"):
                    self.send_error(404)  # the library requests other files too
                    return
                revision, file_name = self.path.split("/")[4:6]
                path = hub.folder / file_name
                refusal = hub.refusal
                if refusal is None and not path.exists():
                    refusal = (404, "EntryNotFound")
                if refusal is None and revision not in ("main", COMMIT):
                    refusal = (404, "RevisionNotFound")
                content = b"" if refusal else path.read_bytes()
                self.send_response(200 if refusal is None else refusal[0])
                if refusal is not None:
                    self.send_header("X-Error-Code", refusal[1])
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if not head:
                    hub.asked.append(file_name)
                    self.wfile.write(content)

            def do_HEAD(self) -> None:
                self.answer(head=True)

            def do_GET(self) -> None:
                self.answer(head=False)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
