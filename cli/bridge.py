"""`dfd bridge`: receives telephone calls and streams them to a daemon."""

from pathlib import Path
from typing import Any

import click

from dfd.cli._bridge_sip import sip
from dfd.cli._bridging import (
    EPILOG,
    FILE,
    bridge_command,
    common_options,
    hold_option,
    read_address,
    settings,
)
from dfd.cli._groups import VerbGroup

_DIALECTS = (
    "twilio",
    "chan_websocket",
    "mod_audio_fork",
    "mod_audio_stream",
    "jambonz",
    "audiohook",
)


@click.group("bridge", cls=VerbGroup, epilog=EPILOG)
def command() -> None:
    """Receive telephone calls, stream them to a daemon and act on its alerts."""


@bridge_command(
    "audiosocket",
    "dfd bridge audiosocket",
    "dfd bridge audiosocket --on-alert file:alerts.jsonl --events events.jsonl",
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
    """Receive calls from Asterisk's AudioSocket."""
    from dfd.bridges.plans import AudioSocketPlan
    from dfd.bridges.serve import run

    run(AudioSocketPlan(*read_address(listen)), settings(common))


@bridge_command(
    "rtp",
    "dfd bridge rtp --listen 127.0.0.1:5004",
    "dfd bridge rtp --ports 20000-20198 --payload 111=opus/48000",
)
@click.option(
    "--listen",
    metavar="HOST[:PORT]",
    help="UDP address to listen on; RTCP uses the next port. One port carries many calls, which"
    " are distinguished by their source.  [default: 127.0.0.1:5004, or the address in --sdp]",
)
@click.option(
    "--ports", metavar="FIRST-LAST", help="Receive one call on every second port of this range."
)
@click.option(
    "--sdp", type=FILE, help="Session description file: payload types, and where to listen."
)
@click.option(
    "--payload",
    "payloads",
    multiple=True,
    metavar="TYPE=NAME/RATE[/CHANNELS]",
    help="Codec of a dynamic payload type, such as 111=opus/48000 or 96=L16/16000. May be"
    " repeated.",
)
@hold_option
@common_options
def rtp(
    listen: str | None,
    ports: str | None,
    sdp: Path | None,
    payloads: tuple[str, ...],
    hold_seconds: float,
    **common: Any,
) -> None:
    """Receive calls as RTP: PCMU, PCMA, G.722, L16, Opus."""
    from dfd.bridges.plans import plan_rtp
    from dfd.bridges.serve import run

    plan = plan_rtp(listen=listen, ports=ports, sdp_path=sdp, payloads=payloads)
    run(plan, settings(common, hold_seconds=hold_seconds))


@bridge_command(
    "websocket",
    "dfd bridge websocket --dialect twilio",
    "dfd bridge websocket --dialect mod_audio_fork --rate 16000 --channels 2",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:9093",
    show_default=True,
    help="TCP address to listen on.",
)
@click.option(
    "--dialect", type=click.Choice(_DIALECTS), required=True, help="The protocol that peers use."
)
@click.option(
    "--rate",
    type=click.IntRange(8000, 192000),
    default=8000,
    show_default=True,
    help="Sample rate of audio whose sender does not state it; ?rate= in the URL takes precedence.",
)
@click.option(
    "--channels",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="Channels of audio whose sender does not state them; ?channels= or ?mix= in the URL takes"
    " precedence.",
)
@click.option(
    "--twilio-token-file",
    type=FILE,
    help="File with the account's auth token; X-Twilio-Signature is then checked."
    "  [default: TWILIO_AUTH_TOKEN]",
)
@click.option(
    "--public-url",
    "public_urls",
    multiple=True,
    metavar="WSS_URL",
    help="The URL that was configured at Twilio, if a proxy changes it.",
)
@click.option(
    "--basic-auth-file", type=FILE, help="File with the USER:PASSWORD that peers must send."
)
@click.option(
    "--api-key-file", type=FILE, help="File with the key that peers must send in X-API-KEY."
)
@click.option("--listen-cert", type=FILE, help="PEM file of a certificate, to serve wss://.")
@click.option("--listen-key", type=FILE, help="PEM file of that certificate's key.")
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
    """Receive calls as WebSocket media in one dialect."""
    from dfd.bridges.plans import plan_websocket
    from dfd.bridges.serve import run

    host, port = read_address(listen)
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
    run(plan, settings(common))


for _verb in (audiosocket, rtp, sip, websocket):
    command.add_command(_verb, (_verb.name or "").removeprefix("bridge "))
