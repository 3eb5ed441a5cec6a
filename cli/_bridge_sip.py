"""`dfd bridge sip`: answers SIP calls, both SIPREC sessions and ordinary ones."""

from pathlib import Path
from typing import Any

import click

from dfd.cli._bridging import FILE, bridge_command, common_options, hold_option, settings


@bridge_command(
    "sip",
    "dfd bridge sip",
    "dfd bridge sip --listen 127.0.0.1:5060 --label-header X-Call-ID",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:5060",
    show_default=True,
    help="Address to listen on, for UDP and TCP.",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="ADDRESS|NETWORK",
    help="Peers that are accepted, such as 192.0.2.0/24. May be repeated. Required, unless"
    " --auth-file is given, when listening on an address that other machines can reach.",
)
@click.option(
    "--auth-file",
    type=FILE,
    help="File of lines USER:PASSWORD; calls then need digest authentication.",
)
@click.option(
    "--auth-algorithm",
    "algorithms",
    type=click.Choice(["MD5", "SHA-256"]),
    multiple=True,
    default=("MD5",),
    show_default=True,
    help="Digest algorithms, offered in this order. May be repeated; agents that know only MD5"
    " give up when SHA-256 is offered.",
)
@click.option("--realm", default="dfd", show_default=True, help="Realm of the digest.")
@click.option("--listen-cert", type=FILE, help="PEM file of a certificate: listens on TLS too.")
@click.option("--listen-key", type=FILE, help="PEM file of that certificate's key.")
@click.option(
    "--listen-client-ca",
    type=FILE,
    help="PEM file of a CA; TLS peers must present a certificate that it signed.",
)
@click.option("--tls-port", type=click.IntRange(0, 65535), help="Port for TLS.  [default: 5061]")
@click.option("--srtp-only", is_flag=True, help="Decline unencrypted audio.")
@click.option(
    "--media-ports",
    metavar="FIRST-LAST",
    help="Ports to receive RTP on, two for each media line of a call.  [default: the system's"
    " choice]",
)
@click.option(
    "--media-address",
    metavar="ADDRESS",
    help="Address that peers are told to send RTP to, for use behind NAT."
    "  [default: the address that they connected to]",
)
@click.option(
    "--label-header",
    "label_headers",
    multiple=True,
    metavar="NAME",
    help="SIP header to add to the call's labels. May be repeated.",
)
@hold_option
@common_options
def sip(
    listen: str,
    allow: tuple[str, ...],
    auth_file: Path | None,
    realm: str,
    algorithms: tuple[str, ...],
    listen_cert: Path | None,
    listen_key: Path | None,
    listen_client_ca: Path | None,
    tls_port: int | None,
    srtp_only: bool,
    media_ports: str | None,
    media_address: str | None,
    label_headers: tuple[str, ...],
    hold_seconds: float,
    **common: Any,
) -> None:
    """Answer SIP calls: SIPREC recording sessions and ordinary calls."""
    from dfd.bridges.serve import run
    from dfd.errors import UserError

    try:
        from dfd.bridges.sip.plan import plan_sip
    except ModuleNotFoundError:
        raise UserError("the sip bridge needs sipmessage: pip install 'dfd[bridge]'") from None

    plan = plan_sip(
        listen=listen,
        tls_port=tls_port,
        certificate=listen_cert,
        key=listen_key,
        client_ca=listen_client_ca,
        allow=allow,
        auth_file=auth_file,
        realm=realm,
        algorithms=algorithms,
        srtp_only=srtp_only,
        media_ports=media_ports,
        media_address=media_address,
        label_headers=label_headers,
    )
    run(plan, settings(common, hold_seconds=hold_seconds))
