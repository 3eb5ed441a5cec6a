"""`dfd bridge sip`: answers SIP calls, SIPREC's and plain ones."""

from pathlib import Path
from typing import Any

import click

from dfd.cli._bridging import EPILOG, FILE, READ_ON, common_options, settings
from dfd.cli._errors import Verb


@click.command(
    "bridge sip",
    cls=Verb,
    epilog=EPILOG,
    examples=(
        "dfd bridge sip",
        "dfd bridge sip --listen 127.0.0.1:5060 --label-header X-Call-ID",
    ),
    read_on=READ_ON,
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
    help="Peers that may speak at all, such as 192.0.2.0/24. May be given several times; on"
    " another address than this machine's own, it or --auth-file is wanted.",
)
@click.option(
    "--auth-file",
    type=FILE,
    help="File of lines USER:PASSWORD: calls are then challenged (digest).",
)
@click.option(
    "--auth-algorithm",
    "algorithms",
    type=click.Choice(["MD5", "SHA-256"]),
    multiple=True,
    default=("MD5",),
    show_default=True,
    help="Offered in this order; agents that know MD5 only give up where SHA-256 is offered.",
)
@click.option("--realm", default="dfd", show_default=True, help="Of the challenges.")
@click.option("--listen-cert", type=FILE, help="PEM file of a certificate: speak TLS too.")
@click.option("--listen-key", type=FILE, help="PEM file of its key.")
@click.option(
    "--listen-client-ca",
    type=FILE,
    help="PEM file of the authority whose certificates TLS peers must show.",
)
@click.option("--tls-port", type=click.IntRange(0, 65535), help="Port for TLS.  [default: 5061]")
@click.option("--srtp-only", is_flag=True, help="Decline audio in the clear.")
@click.option(
    "--media-ports",
    metavar="FIRST-LAST",
    help="Where RTP comes, two ports a line of a call.  [default: the system's choice]",
)
@click.option(
    "--media-address",
    metavar="ADDRESS",
    help="Where peers are told to send RTP, behind NAT.  [default: the address that they reached]",
)
@click.option(
    "--label-header",
    "label_headers",
    multiple=True,
    metavar="NAME",
    help="A SIP header that becomes a label of the call.",
)
@click.option(
    "--hold-seconds",
    type=click.FloatRange(0, 2),
    default=0.2,
    show_default=True,
    metavar="SECONDS",
    help="How long the jitter buffer waits for a packet.",
)
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
    """Answer SIP calls: SIPREC's recording sessions, and plain ones."""
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
