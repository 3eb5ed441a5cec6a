"""Receives alerts from dfd, checks their signatures, and prints one line for each.

DFD_WEBHOOK_SECRET=... python webhook_receiver.py 8000
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dfd.clients.alerts.webhook import SIGNATURE_HEADER, verify

SECRET = os.environ["DFD_WEBHOOK_SECRET"]
MOST_BYTES = 1 << 20


class Receiver(BaseHTTPRequestHandler):
    """Accepts POST requests from dfd and nothing else."""

    def do_POST(self) -> None:
        """Answers 204 to a delivery that dfd signed, and 403 to any other."""
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MOST_BYTES))
        signed = verify(SECRET, self.headers.get(SIGNATURE_HEADER, ""), body)
        self.send_response(204 if signed else 403)
        self.end_headers()
        if signed:
            line = json.loads(body)
            alert = line["alert"]
            probability = alert["score"]["spoof_probability"]
            state = "over" if alert.get("cleared") else f"P(spoof) {probability:.2f}"
            print(f"{line['stream_id']}: {alert['trigger']}: {state}", flush=True)

    def log_message(self, *_: object) -> None:
        """Keeps requests out of the log."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()
