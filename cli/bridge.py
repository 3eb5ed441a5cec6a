"""`dfd bridge`: takes telephone calls and streams them to a daemon."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dfd.cli._actions import action_options
from dfd.cli._config import config_option
from dfd.cli._connection import connection, server_options
from dfd.cli._errors import Verb
from dfd.cli._groups import VerbGroup
from dfd.cli._judging import MODEL_AND_THRESHOLDS

_F = TypeVar("_F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path)
_EPILOG = (
    "Listens on this machine only, unless --listen names another address: media travels in the"
    " clear. SIGINT and SIGTERM end it once the last results are in."
)
_READ_ON = "docs/telephony.md, with configurations to paste"
_DIALECTS = (
    "twilio",
    "chan_websocket",
    "mod_audio_fork",
    "mod_audio_stream",
    "jambonz",
    "audiohook",
)

_COMMON = (
    click.option(
        "--events",
        metavar="FILE",
        help="Add every event of every call to a file, as a line of JSON; - is standard output.",
    ),
    click.option(
        "--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label for every call."
    ),
    *MODEL_AND_THRESHOLDS,
    click.option(
        "--max-calls",
        type=click.IntRange(1, 10000),
        default=200,
        show_default=True,
        help="Calls at once; more are turned away.",
    ),
    click.option(
        "--max-bytes-per-second",
        type=click.IntRange(1000),
        default=1 << 20,
        show_default=True,
        help="Bytes a second that one call may send.",
    ),
    click.option(
        "--buffer-seconds",
        type=click.FloatRange(1, 600),
        default=30.0,
        show_default=True,
        help="Audio of each call that is kept while the daemon is slow or away.",
    ),
    click.option(
        "--idle-seconds",
        type=click.FloatRange(1),
        default=60.0,
        show_default=True,
        help="End a call after this long without audio.",
    ),
    click.option(
        "--metrics",
        metavar="HOST:PORT",
        help="Serve Prometheus metrics, and /health, at this address.",
    ),
    click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        default="info",
        show_default=True,
        help="Lowest level that is logged.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Format of the log, one line for each event: key=value, or JSON.",
    ),
)


def common_options(command: _F) -> _F:
    """Adds what every bridge has."""
    for option in reversed(_COMMON):
        command = option(command)
    return config_option(server_options(action_options(command)))


@click.group("bridge", cls=VerbGroup, epilog=_EPILOG)
def command() -> None:
    """Take telephone calls and stream them to a daemon; act on its alerts."""


@click.command(
    "bridge audiosocket",
    cls=Verb,
    epilog=_EPILOG,
    examples=(
        "dfd bridge audiosocket",
        "dfd bridge audiosocket --on-alert file:alerts.jsonl --events events.jsonl",
    ),
    read_on=_READ_ON,
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:9092",
    show_default=True,
    help="TCP address to listen on.",
)
@common_options
def audiosocket(listen: str, **common: Any) -> None:
    """Take calls from Asterisk's AudioSocket."""
    from dfd.bridges.plans import AudioSocketPlan
    from dfd.bridges.serve import run

    run(AudioSocketPlan(*_address(listen)), _settings(common))


@click.command(
    "bridge rtp",
    cls=Verb,
    epilog=_EPILOG,
    examples=(
        "dfd bridge rtp --listen 127.0.0.1:5004",
        "dfd bridge rtp --ports 20000-20198 --payload 111=opus/48000",
    ),
    read_on=_READ_ON,
)
@click.option(
    "--listen",
    metavar="HOST[:PORT]",
    help="UDP address to listen on; RTCP comes on the next port. One port carries many calls,"
    " told apart by their source.  [default: 127.0.0.1:5004, or what --sdp says]",
)
@click.option("--ports", metavar="FIRST-LAST", help="Take one call on every second port of these.")
@click.option("--sdp", type=_FILE, help="Session description: payload types, and where to listen.")
@click.option(
    "--payload",
    "payloads",
    multiple=True,
    metavar="TYPE=NAME/RATE[/CHANNELS]",
    help="Meaning of a dynamic payload type, such as 111=opus/48000 or 96=L16/16000.",
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
def rtp(
    listen: str | None,
    ports: str | None,
    sdp: Path | None,
    payloads: tuple[str, ...],
    hold_seconds: float,
    **common: Any,
) -> None:
    """Take calls as RTP: PCMU, PCMA, G.722, L16, Opus."""
    from dfd.bridges.plans import plan_rtp
    from dfd.bridges.serve import run

    plan = plan_rtp(listen=listen, ports=ports, sdp_path=sdp, payloads=payloads)
    run(plan, _settings(common, hold_seconds=hold_seconds))


@click.command(
    "bridge websocket",
    cls=Verb,
    epilog=_EPILOG,
    examples=(
        "dfd bridge websocket --dialect twilio",
        "dfd bridge websocket --dialect mod_audio_fork --rate 16000 --channels 2",
    ),
    read_on=_READ_ON,
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:9093",
    show_default=True,
    help="TCP address to listen on.",
)
@click.option(
    "--dialect", type=click.Choice(_DIALECTS), required=True, help="The protocol that is spoken."
)
@click.option(
    "--rate",
    type=click.IntRange(8000, 192000),
    default=8000,
    show_default=True,
    help="Of audio whose sender does not state it; ?rate= in the URL comes first.",
)
@click.option(
    "--channels",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="Of audio whose sender does not state it; ?channels= or ?mix= in the URL comes first.",
)
@click.option(
    "--twilio-token-file",
    type=_FILE,
    help="File with the account's auth token; X-Twilio-Signature is then checked."
    "  [default: TWILIO_AUTH_TOKEN]",
)
@click.option(
    "--public-url",
    "public_urls",
    multiple=True,
    metavar="WSS_URL",
    help="The URL that Twilio was given, if a proxy changes it.",
)
@click.option(
    "--basic-auth-file", type=_FILE, help="File with the USER:PASSWORD that peers must send."
)
@click.option(
    "--api-key-file", type=_FILE, help="File with the key that peers must send in X-API-KEY."
)
@click.option("--listen-cert", type=_FILE, help="PEM file of a certificate, to speak wss://.")
@click.option("--listen-key", type=_FILE, help="PEM file of its key.")
@common_options
def websocket(
    listen: str,
    dialect: str,
    rate: int,
    channels: int,
    twilio_token_file: Path | None,
    public_urls: tuple[str, ...],
    basic_auth_file: Path | None,
    api_key_file: Path | None,
    listen_cert: Path | None,
    listen_key: Path | None,
    **common: Any,
) -> None:
    """Take calls as WebSocket media in one dialect."""
    from dfd.bridges.plans import plan_websocket
    from dfd.bridges.serve import run

    host, port = _address(listen)
    plan = plan_websocket(
        dialect=dialect,
        host=host,
        port=port,
        rate_hz=rate,
        channel_count=channels,
        twilio_token_file=twilio_token_file,
        public_urls=public_urls,
        basic_auth_file=basic_auth_file,
        api_key_file=api_key_file,
        certificate=listen_cert,
        key=listen_key,
    )
    run(plan, _settings(common))


@click.command(
    "bridge sip",
    cls=Verb,
    epilog=_EPILOG,
    examples=(
        "dfd bridge sip",
        "dfd bridge sip --listen 127.0.0.1:5060 --label-header X-Call-ID",
    ),
    read_on=_READ_ON,
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
    type=_FILE,
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
@click.option("--listen-cert", type=_FILE, help="PEM file of a certificate: speak TLS too.")
@click.option("--listen-key", type=_FILE, help="PEM file of its key.")
@click.option(
    "--listen-client-ca",
    type=_FILE,
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
    run(plan, _settings(common, hold_seconds=hold_seconds))


for _verb in (audiosocket, rtp, sip, websocket):
    command.add_command(_verb, (_verb.name or "").removeprefix("bridge "))


def _address(text: str) -> tuple[str, int]:
    from dfd.bridges.plans import address

    return address(text)


def _settings(common: dict[str, Any], hold_seconds: float = 0.2) -> Any:
    """The common options as `run` takes them."""
    from dfd.bridges.options import BridgeOptions
    from dfd.bridges.plans import pairs
    from dfd.bridges.serve import Settings
    from dfd.clients.options import AlertPolicy, StreamOptions

    own = {name: common.pop(name) for name in _OWN}
    policy = AlertPolicy(
        rolling_threshold=own["rolling_threshold"],
        cumulative_threshold=own["cumulative_threshold"],
    )
    options = BridgeOptions(
        max_calls=own["max_calls"],
        max_bytes_per_second=own["max_bytes_per_second"],
        buffer_seconds=own["buffer_seconds"],
        idle_seconds=own["idle_seconds"],
        hold_seconds=hold_seconds,
        labels=pairs(own["labels"]),
        stream=StreamOptions(model=own["model"], alert_policy=policy),
    )
    return Settings(
        connection=connection(**common),
        options=options,
        on_alerts=own["on_alerts"],
        on_summaries=own["on_summaries"],
        action_per=own["action_per"],
        webhook_secret_file=own["webhook_secret_file"],
        spool=own["spool"],
        events=own["events"],
        metrics=None if own["metrics"] is None else _address(own["metrics"]),
        log_level=own["log_level"],
        log_format=own["log_format"],
    )


_OWN = (
    "on_alerts",
    "on_summaries",
    "action_per",
    "webhook_secret_file",
    "spool",
    "events",
    "labels",
    "model",
    "rolling_threshold",
    "cumulative_threshold",
    "max_calls",
    "max_bytes_per_second",
    "buffer_seconds",
    "idle_seconds",
    "metrics",
    "log_level",
    "log_format",
)
