"""User agents of baresip, which play speech into a call."""

import asyncio
import socket
import time
from pathlib import Path

from tests.bridges.sip.kit import request

AGENT = """
sip_listen 127.0.0.1:{port}
net_interface 127.0.0.1
audio_player aubridge,{name}
audio_source aufile,{speech}
audio_alert aubridge,{name}
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_level no
rtcp_mux no
jitter_buffer_delay 5-10
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module_app account.so
module_app menu.so
"""


MODULES = Path("/usr/lib/baresip/modules")


def agent(folder: Path, name: str, port: int, speech: Path) -> Path:
    """Makes a folder of settings that make baresip one end of a call."""
    home = folder / name
    home.mkdir()
    words = {"port": port, "name": name, "speech": speech, "modules": MODULES}
    (home / "config").write_text(AGENT.format(**words))
    account = f"<sip:{name}@127.0.0.1:{port}>;regint=0;answermode=auto;audio_codecs=PCMU/8000/1\n"
    (home / "accounts").write_text(account)
    (home / "contacts").touch()
    return home


async def answers(port: int) -> None:
    """Waits until the agent at a port answers, since baresip does not say when it listens."""
    loop, end = asyncio.get_running_loop(), time.monotonic() + 30.0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.bind(("127.0.0.1", 0))
        while True:
            try:
                asking.connect(("127.0.0.1", port))
                asking.send(request("OPTIONS", call=f"ready-{time.monotonic()}"))
                await asyncio.wait_for(loop.sock_recv(asking, 65536), 0.2)
                return
            except OSError:  # nobody listens yet, or no answer came in time
                assert time.monotonic() < end, "baresip does not answer"
                await asyncio.sleep(0.05)  # before the next question
