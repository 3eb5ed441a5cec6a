"""The plan of `dfd bridge sip`."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from dfd.bridges.exchange import Exchange
from dfd.bridges.plans import address, is_mine, secret_of, tls_of, written
from dfd.bridges.sip.agent import AgentRules
from dfd.bridges.sip.digest import Authenticator
from dfd.bridges.sip.peers import networks
from dfd.bridges.sip.server import SipOptions, SipServer
from dfd.errors import UserError


@dataclass(frozen=True, slots=True)
class SipPlan:
    """SIP on an address, over UDP, TCP and TLS."""

    options: SipOptions
    name: str = "sip"

    async def start(self, exchange: Exchange) -> tuple[str, Callable[[], Awaitable[None]]]:
        """Listens."""
        server = SipServer(
            exchange, self.options, lambda: exchange.trouble.advice if exchange.trouble else ""
        )
        bound = await server.start()
        text = written(*bound["UDP"])
        if "TLS" in bound:
            text = f"{text}, TLS on port {bound['TLS'][1]}"
        return text, server.stop


def plan_sip(
    *,
    listen: str,
    tls_port: int | None,
    certificate: Path | None,
    key: Path | None,
    client_ca: Path | None,
    allow: tuple[str, ...],
    auth_file: Path | None,
    realm: str,
    algorithms: tuple[str, ...],
    srtp_only: bool,
    media_ports: str | None,
    media_address: str | None,
    label_headers: tuple[str, ...],
) -> SipPlan:
    """Makes the plan of `dfd bridge sip`.

    Raises:
        UserError: if part of it makes no sense, or would let anyone call.
    """
    host, port = address(listen)
    users = _users(auth_file)
    tls = tls_of(certificate, key)
    if tls is None and (tls_port is not None or client_ca is not None):
        raise UserError("TLS needs a certificate: give it with --listen-cert and --listen-key")
    if tls is not None and client_ca is not None:
        tls.verify_mode = ssl.CERT_REQUIRED
        try:
            tls.load_verify_locations(client_ca)
        except (OSError, ssl.SSLError) as error:
            raise UserError(
                f"{client_ca} cannot be used as a certificate authority: {error}"
            ) from None
    if not is_mine(host) and not allow and users is None:
        raise UserError(
            f"anyone could call {host}: restrict peers with --allow, or callers with"
            " --auth-file; --allow 0.0.0.0/0 admits everyone"
        )
    return SipPlan(
        SipOptions(
            host=host,
            port=port,
            tls_port=5061 if tls is not None and tls_port is None else tls_port,
            tls=tls,
            allowed=networks(allow),
            media_ports=_port_range(media_ports),
            media_address=media_address,
            rules=AgentRules(
                authenticator=None if users is None else Authenticator(users, realm, algorithms),
                srtp_only=srtp_only,
                label_headers=label_headers,
            ),
        )
    )


def _port_range(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 0
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal()):
        raise UserError(f"{text!r} is not a range of ports: write one such as 30000-31999")
    if not 0 < int(first) < int(last) < 65536:
        raise UserError(f"{text!r} is not a range of ports between 1 and 65535")
    return int(first), int(last)


def _users(path: Path | None) -> dict[str, str] | None:
    """Reads names and passwords, one per line."""
    text = secret_of(path)
    if text is None:
        return None
    users: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, password = line.strip().partition(":")
        if not name or not colon or not password:
            raise UserError(f"line {number} of {path} is not USER:PASSWORD")
        users[name] = password
    return users
