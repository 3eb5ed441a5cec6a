"""baresip calls `dfd bridge sip`: every codec, transport, SRTP and digest authentication."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from dfd.clients.runs.local_daemon import local_daemon
from tests.bridges.baresip import AGENT, MODULES
from tests.bridges.real import bridge, judged, need, programs, run, seconds, speak
from tests.bridges.rtp.test_server import free_port

pytest.importorskip("torch", reason="no daemon to start: pip install 'dfd[serve]'")

pytestmark = pytest.mark.slow

# name, codec as baresip and the label have it, transport, encryption of the media
AGENTS = [
    ("ulaw", "PCMU/8000/1", "PCMU", "udp", ""),
    ("alaw", "PCMA/8000/1", "PCMA", "tcp", "srtp-mand"),
    ("wide", "G722/16000/1", "G722", "udp", ""),
    ("opus", "opus/48000/2", "OPUS", "tls", "srtp-mand"),
    ("raw", "L16/16000/1", "L16", "udp", ""),
]
RATES = {"PCMU": 8000, "PCMA": 8000, "G722": 16000, "OPUS": 48000, "L16": 16000}


@pytest.fixture(scope="module")
def daemon() -> Iterator[str]:
    with local_daemon() as address:
        yield address


def agent(folder: Path, name: str, codec: str, transport: str, media: str, speech: Path) -> Path:
    """A folder that makes baresip a caller who knows a password."""
    home, port = folder / name, free_port()
    home.mkdir()
    rate, channels = codec.split("/")[1:]
    rate = "16000" if codec.startswith("G722") else rate
    config = AGENT.format(port=port, name=name, speech=speech, modules=MODULES)
    config = config.replace("_srate 8000", f"_srate {rate}")
    config = config.replace("_channels 1", f"_channels {channels}")
    more = "".join(f"module {one}.so\n" for one in ("g722", "l16", "opus", "srtp"))
    (home / "config").write_text(config + more)
    words = f";regint=0;audio_codecs={codec};auth_user={name};auth_pass=secret-{name}"
    words += f";mediaenc={media}" if media else ""
    account = f"<sip:{name}@127.0.0.1:{port};transport={transport}>{words}\n"
    (home / "accounts").write_text(account)
    (home / "contacts").touch()
    return home


def certificate(folder: Path) -> tuple[Path, Path]:
    need("openssl")
    cert, key = folder / "cert.pem", folder / "key.pem"
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2),
        *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", key, "-out", cert),
    )
    return cert, key


async def test_baresip_calls_in_every_codec(daemon: str, tmp_path: Path) -> None:
    need("baresip")
    for module in ("aufile", "g722", "l16", "opus", "srtp"):
        if not (MODULES / f"{module}.so").exists():
            pytest.skip(f"baresip has no module {module}: apt-get install baresip-core")
    cert, key = certificate(tmp_path)
    users, tls = tmp_path / "users", free_port()
    users.write_text("".join(f"{name}:secret-{name}\n" for name, *_ in AGENTS))
    words = ("sip", "--listen", "127.0.0.1:0", "--auth-file", users, "--tls-port", tls)
    length = 0.0
    with bridge(
        tmp_path, daemon, *words, "--listen-cert", cert, "--listen-key", key, "--idle-seconds", 9
    ) as running:
        calling = []
        for name, codec, label, transport, media in AGENTS:
            speech = speak(tmp_path, RATES[label])
            length = soundfile.info(speech).duration
            if codec.endswith("/2"):
                run("ffmpeg", "-v", "error", "-y", "-i", speech, "-ac", 2, tmp_path / "two.wav")
                speech = tmp_path / "two.wav"
            home = agent(tmp_path, name, codec, transport, media, speech)
            port = tls if transport == "tls" else running.port
            uri = f"sip:dfd@127.0.0.1:{port}"  # baresip adds its account's transport
            calling.append(("baresip", "-f", home, "-t", int(length) + 4, "-e", f"d {uri}"))
        with programs(calling):
            summaries = await running.summaries(len(AGENTS))
    by_codec = {one["labels"]["codec"]: one for one in summaries}
    assert set(by_codec) == {label for _, _, label, _, _ in AGENTS}
    expected = (await judged(daemon, speak(tmp_path, 8000))).cumulative_score
    assert expected is not None
    assert expected.spoof_probability > 0.5
    for name, _, label, _, _ in AGENTS:
        one = by_codec[label]
        assert one["labels"]["auth_user"] == name
        channel = one["summary"]["channels"][0]
        assert seconds(channel["audio_duration"]) >= length - 0.1
        assert seconds(channel["gap_duration"]) < 0.3
        assert channel["cumulative_score"]["spoof_probability"] > 0.5
