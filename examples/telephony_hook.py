"""Transfers a suspicious call to a person through Asterisk's Manager Interface (AMI).

    dfd bridge audiosocket --on-alert "python telephony_hook.py --context fraud-desk"

runs it for each alert, with one line of JSON on standard input. The dialplan must have stored the
channel under the UUID that it gave to AudioSocket: Set(DB(dfd/${CALL_UUID})=${CHANNEL}). AMI_SECRET
is the manager's password.
"""

import argparse
import json
import os
import socket
import sys
from collections.abc import Iterator
from typing import BinaryIO


def message(file: BinaryIO) -> dict[str, str]:
    """Reads one AMI message: lines of "key: value" up to an empty one."""
    fields: dict[str, str] = {}
    while line := file.readline().decode(errors="replace").strip():
        key, _, value = line.partition(": ")
        fields[key] = value
    if not fields:
        raise SystemExit("telephony_hook: the manager closed the connection")
    return fields


class Manager:
    """A session with the manager interface."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=5.0)
        self._file = self._socket.makefile("rb")
        self._file.readline()  # the banner

    def act(self, action: str, **fields: str) -> Iterator[dict[str, str]]:
        """Sends one action; yields its response, then the events that follow."""
        lines = [f"Action: {action}", *(f"{key}: {value}" for key, value in fields.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise SystemExit("telephony_hook: a label contains a line break")
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = message(self._file)
        while "Response" not in answer:
            answer = message(self._file)
        if answer["Response"] != "Success":
            raise SystemExit(f"telephony_hook: {action}: {answer.get('Message', 'refused')}")
        while True:
            yield answer
            answer = message(self._file)


def main() -> None:
    """Redirects the call that one alert belongs to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5038)
    parser.add_argument("--user", default="dfd")
    parser.add_argument("--context", required=True)
    options = parser.parse_args()
    line = json.loads(sys.stdin.readline())
    if line["alert"].get("cleared"):
        return
    manager = Manager(options.host, options.port)
    login = {"Username": options.user, "Secret": os.environ["AMI_SECRET"], "Events": "off"}
    next(manager.act("Login", **login))
    stored = manager.act("DBGet", Family="dfd", Key=line["labels"]["call_uuid"])
    channel = next(one["Val"] for one in stored if one.get("Event") == "DBGetResponse")
    redirect = {"Channel": channel, "Context": options.context, "Exten": "s", "Priority": "1"}
    next(manager.act("Redirect", **redirect))
    print(f"{channel} redirected to {options.context}")


if __name__ == "__main__":
    main()
