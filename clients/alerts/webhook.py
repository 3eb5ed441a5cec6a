"""A sink that calls a webhook for each event: signed with HMAC, retried with backoff."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import threading
import time
import urllib.error
import urllib.request
import uuid
from urllib.parse import urlsplit

from dfd.clients.alerts.spool import Delivery, Spool
from dfd.clients.alerts.spooled import LaterError, SpooledWorkers
from dfd.clients.alerts.worker import Workers
from dfd.clients.events import Event
from dfd.clients.protocol.messages import json_line
from dfd.clients.transport.route import stays_here
from dfd.errors import UserError

SIGNATURE_HEADER = "X-Dfd-Signature"
DELIVERY_HEADER = "X-Dfd-Delivery"


def _bytes(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret


def sign(secret: str | bytes, seconds: int, body: bytes) -> str:
    """Returns the signature header: the time and the HMAC-SHA256 of "time.body" in hex."""
    digest = hmac.new(_bytes(secret), b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def verify(secret: str | bytes, header: str, body: bytes, max_age_seconds: float = 300.0) -> bool:
    """Checks, for a receiver, whether a header matches a body and is not too old."""
    fields = dict(part.partition("=")[::2] for part in header.split(","))
    timestamp = fields.get("t", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > max_age_seconds:
        return False
    return hmac.compare_digest(sign(secret, int(timestamp), body), header)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Treats redirects as failures, since a redirected POST would lose its body."""

    def redirect_request(self, *_: object) -> None:
        return None


class WebhookSink:
    """Posts JSON from its own threads.

    The same delivery may arrive twice if a response was lost; its `X-Dfd-Delivery` is then the
    same.

    Args:
        url: http or https.
        secret: signs each body.
        attempts: attempts in all; 5xx, 408, 429 and network errors are retried.
        first_delay_seconds: doubles with each attempt, up to ten seconds.
        timeout_seconds: limit for one attempt.
        spool: keeps undelivered events beyond the end of the process; attempts are then not
            limited.

    Raises:
        UserError: if it is not an http URL, or there is no secret.
    """

    def __init__(
        self,
        url: str,
        secret: str | bytes | None,
        *,
        attempts: int = 6,
        first_delay_seconds: float = 0.5,
        timeout_seconds: float = 5.0,
        spool: Spool | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(
                f"{url!r} is not a webhook URL: it needs http:// or https:// and a host"
            )
        if not secret:
            raise UserError(
                "webhooks are signed: give the secret with --webhook-secret-file or"
                " DFD_WEBHOOK_SECRET"
            )
        self._url = url
        self._secret = secret
        self._attempts = attempts
        self._first_delay_seconds = first_delay_seconds
        self._timeout_seconds = timeout_seconds
        self._closing = threading.Event()
        self._server = (
            f"{parts.hostname}:0" if ":" not in parts.hostname else f"[{parts.hostname}]:0"
        )
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._direct = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
        # the host only: the rest of the URL may contain secrets
        name = f"webhook {parts.hostname}"
        self.workers: Workers | SpooledWorkers
        if spool is None:
            self.workers = Workers(name, self._deliver)
        else:
            self.workers = SpooledWorkers(name, self._try_once, spool)

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        """Queues one event for a thread."""
        self.workers.put(json_line(stream_id, event, **more))

    def close(self) -> None:
        """Tries what is waiting once more, without delays."""
        self._closing.set()
        self.workers.close(2 * self._timeout_seconds)

    def _try_once(self, delivery: Delivery) -> None:
        reason = self._attempt(delivery.line.encode(), delivery.delivery)
        if reason is not None:
            raise LaterError(reason)

    def _deliver(self, line: str) -> None:
        body = line.encode()
        delivery = uuid.uuid4().hex
        delay = self._first_delay_seconds
        for attempt in range(1, self._attempts + 1):
            reason = self._attempt(body, delivery)
            if reason is None:
                return
            if attempt == self._attempts or self._closing.wait(delay):
                break
            delay = min(2 * delay, 10.0)
        raise RuntimeError(f"{reason}; an alert was not delivered in {attempt} attempts")

    def _attempt(self, body: bytes, delivery: str) -> str | None:
        """Tries once; returns None on success, or the reason for a failure that may pass.

        Raises:
            RuntimeError: if another attempt would not help.
        """
        try:
            self._post(body, delivery)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500 and error.code not in (408, 429):
                raise RuntimeError(f"status {error.code}; an alert was not delivered") from None
            return f"status {error.code}"
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
        return None

    def _post(self, body: bytes, delivery: str) -> None:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "dfd",
            DELIVERY_HEADER: delivery,
            SIGNATURE_HEADER: sign(self._secret, int(time.time()), body),
        }
        request = urllib.request.Request(self._url, body, headers, method="POST")
        # a proxy in the environment would get to see what was meant for this machine
        opener = self._direct if stays_here(self._server) else self._opener
        with opener.open(request, timeout=self._timeout_seconds) as answer:
            answer.read(1 << 16)
