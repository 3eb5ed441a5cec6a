"""Scenarios for sipp: SIPREC's recording client, and callers with unusual behaviour."""

from pathlib import Path

from dfd.bridges.rtp.packets import RtpPacket
from tests.bridges.sip.kit import METADATA, line, multipart, offer
from tests.bridges.test_real_sip import capture

_HEAD = """
    {method} sip:dfd@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}
    From: <sip:src@[local_ip]:[local_port]>;tag=[pid]src[call_number]
    {to}
    Call-ID: [call_id]
    CSeq: {cseq} {method}
    Contact: <sip:src@[local_ip]:[local_port]>
    Max-Forwards: 70
"""
_TO = "To: <sip:dfd@[remote_ip]:[remote_port]>"


def send(
    method: str, cseq: int, body: str = "", kind: str = "", more: str = "", branch: str = "[branch]"
) -> str:
    """One request; all but the first INVITE belong to the call."""
    to = _TO if cseq == 1 and method in ("INVITE", "CANCEL") else "[last_To:]"
    head = _HEAD.format(method=method, cseq=cseq, to=to, branch=branch).strip()
    rows = [*head.splitlines(), *([more] if more else [])]
    rows += [f"Content-Type: {kind}"] if body else []
    rows += [f"Content-Length: {'[len]' if body else '0'}", "", *body.splitlines()]
    text = "\n".join(f"    {row.strip()}" for row in rows)
    again = "" if method == "ACK" else ' retrans="500"'
    return f"  <send{again}><![CDATA[\n{text}\n\n  ]]></send>\n"


def receive(code: int) -> str:
    return f'  <recv response="{code}" />\n'


def pause(milliseconds: int) -> str:
    return f'  <pause milliseconds="{milliseconds}"/>\n'


def play(path: Path) -> str:
    return f'  <nop><action><exec play_pcap_audio="{path}"/></action></nop>\n'


def scenario(path: Path, *steps: str) -> Path:
    head = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="dfd">\n'
    path.write_text(f"{head}{''.join(steps)}</scenario>\n")
    return path


def described(direction: str = "sendonly") -> tuple[str, str]:
    """SIPREC's body of two lines, with sipp's own addresses."""
    lines = [
        line(0, "0", label=label, direction=direction, protocol="RTP/AVP") for label in ("96", "97")
    ]
    sdp = offer(*lines).replace("127.0.0.1", "[media_ip]")
    return multipart(sdp.replace("m=audio 0", "m=audio [media_port]"), METADATA)


def invite(cseq: int = 1, direction: str = "sendonly") -> str:
    body, kind = described(direction)
    return (
        send("INVITE", cseq, body, kind, more="Require: siprec") + receive(200) + send("ACK", cseq)
    )


def bye(cseq: int) -> str:
    return send("BYE", cseq) + receive(200)


def two_voices(path: Path, first: list[bytes], second: list[bytes], begins: int = 0) -> None:
    """A capture of two streams of PCMU, the second two ports above the first.

    sipp keeps that distance, so that the bridge needs ports of its own range for both.
    """
    packets: list[tuple[float, RtpPacket]] = []
    for number, pair in enumerate(zip(first, second, strict=True)):
        for channel, payload in enumerate(pair):
            at = begins + number
            packet = RtpPacket(0, at, at * 160, 0x5151 + channel, number == 0, payload)
            packets.append((1 + number * 0.02 + channel * 0.001, packet))
    capture(path, packets, lambda packet: 20000 + 2 * (packet.ssrc - 0x5151))
