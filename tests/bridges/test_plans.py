from pathlib import Path

import pytest

from dfd.bridges.media.codecs import Codec
from dfd.bridges.plans import address, pairs, plan_rtp, written
from dfd.errors import UserError
from tests.bridges.rtp.test_sdp import FFMPEG


def test_a_session_description_gives_address_and_format(tmp_path: Path) -> None:
    path = tmp_path / "a.sdp"
    path.write_text(FFMPEG.replace("127.0.0.1", "127.0.0.3"))
    options = plan_rtp(listen=None, ports=None, sdp_path=path, payloads=()).options
    assert (options.host, options.port, options.rtcp_port) == ("127.0.0.3", 5004, 5005)
    assert options.codecs[97] == Codec("OPUS", 48000)
    assert options.codecs[0] == Codec("PCMU", 8000)
    assert dict(options.labels) == {"session": "No Name"}


def test_listening_is_limited_to_loopback_by_default(tmp_path: Path) -> None:
    path = tmp_path / "a.sdp"
    path.write_text(FFMPEG.replace("127.0.0.1", "0.0.0.0"))
    assert plan_rtp(listen=None, ports=None, sdp_path=path, payloads=()).options.host == "127.0.0.1"
    named = plan_rtp(listen="0.0.0.0", ports=None, sdp_path=path, payloads=()).options
    assert (named.host, named.port) == ("0.0.0.0", 5004)


def test_a_range_is_every_second_port() -> None:
    options = plan_rtp(listen="[::1]", ports="20000-20005", sdp_path=None, payloads=()).options
    assert (options.host, options.ports) == ("::1", (20000, 20002, 20004))


def test_addresses() -> None:
    assert address("[::1]:9092") == ("::1", 9092)
    assert written("::1", 9092) == "[::1]:9092"
    assert written("127.0.0.1", 1) == "127.0.0.1:1"
    for wrong in ("9092", ":9092", "a:b", "a:70000"):
        with pytest.raises(UserError, match="not an address"):
            address(wrong)


def test_labels() -> None:
    assert pairs(["a=b", "c=d=e"]) == {"a": "b", "c": "d=e"}
    for wrong in ("a", "=b"):
        with pytest.raises(UserError, match="not a label"):
            pairs([wrong])
