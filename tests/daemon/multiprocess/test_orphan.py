"""A hung process ends soon after its supervisor."""

import socket
import subprocess
import sys

_HUNG = """
import socket, sys, time
from dfd.daemon.multiprocess import orphan
orphan.end_with(socket.socket(fileno=int(sys.argv[1])), 0.2)
print("there", flush=True)
time.sleep(60)  # as an event loop that stands still
"""


def test_a_hung_process_ends_after_its_supervisor() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        hung = subprocess.Popen(
            [sys.executable, "-c", _HUNG, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,
        )
    with hung:
        assert hung.stdout is not None
        hung.stdout.readline()
        ours.send(b"a message is no hangup")
        try:
            hung.wait(0.5)
        except subprocess.TimeoutExpired:
            pass
        else:
            raise AssertionError("it ended while its supervisor was there")
        ours.close()
        assert hung.wait(20) == 1
