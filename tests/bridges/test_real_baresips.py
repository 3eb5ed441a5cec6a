import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from dfd.clients.runs.local_daemon import local_daemon
from tests.bridges.baresip import AGENT, MODULES, agent, answers
from tests.bridges.forking import Fork
from tests.bridges.real import bridge, judged, need, programs, run, seconds, speak
from tests.bridges.rtp.test_server import free_port
from tests.waiting import turns

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def daemon() -> Iterator[str]:
    with local_daemon() as address:
        yield address


async def test_a_call_between_two_baresips(daemon: str, tmp_path: Path) -> None:
    need("baresip")
    for module in re.findall(r"module\S* (\w+\.so)", AGENT):
        if not (MODULES / module).exists():
            pytest.skip(f"baresip has no module {module}: apt-get install baresip-core")
    speech = speak(tmp_path, 8000)
    first, caller, callee = free_port(), free_port(), free_port()
    words = ("rtp", "--ports", f"{first}-{first + 2}", "--idle-seconds", 2)
    length = soundfile.info(speech).duration
    with bridge(tmp_path, daemon, *words) as running:
        fork = Fork(callee, (first, first + 2))
        with contextlib.closing(fork):
            address = f"sip:bob@127.0.0.1:{await fork.start()}"
            bob = agent(tmp_path, "bob", callee, speech)
            ann = agent(tmp_path, "ann", caller, speech)
            lasts = int(length) + 5
            answering = ("baresip", "-f", bob, "-t", lasts + 10)
            calling = ("baresip", "-f", ann, "-t", lasts, "-e", f"d {address}")
            with programs([answering]):
                await answers(callee)
                with programs([calling]):
                    summaries = await running.summaries(2)
        await turns()  # the fork's transports close
    coded = tmp_path / "coded.wav"
    run("ffmpeg", "-v", "error", "-i", speech, "-c:a", "pcm_mulaw", coded)
    expected = (await judged(daemon, coded)).cumulative_score
    assert expected is not None
    assert {one["labels"]["port"] for one in summaries} == {str(first), str(first + 2)}
    for summary in summaries:
        channel = summary["summary"]["channels"][0]
        assert seconds(channel["audio_duration"]) >= length - 0.04
        assert seconds(channel["gap_duration"]) < 0.2
        score = channel["cumulative_score"]["spoof_probability"]
        # on a busy machine baresip pads late audio of its file source
        assert score == pytest.approx(expected.spoof_probability, abs=0.05)
