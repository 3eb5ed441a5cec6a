"""SIP over a stream: where one message ends and the next begins (RFC 3261, section 18.3)."""

from __future__ import annotations

import re

from dfd.bridges.calls import ProtocolError
from dfd.bridges.sip.messages import MAX_MESSAGE_BYTES

_LENGTH = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*:[ \t]*(\d{1,9})[ \t]*(?=\r\n)", re.IGNORECASE
)


class Framer:
    """Cuts the bytes of one connection into messages.

    Attributes:
        pings: keep-alives received since they were last read (RFC 5626, section 4.4.1).
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self.pings = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Takes bytes as they arrive; returns complete messages.

        Raises:
            ProtocolError: if no message can be found in them.
        """
        self._bytes += data
        messages: list[bytes] = []
        while True:
            self._skip_blank_lines()
            end = self._bytes.find(b"\r\n\r\n")
            if end < 0:
                break
            # keep the end of the last header line, which the pattern needs
            found = _LENGTH.search(self._bytes, 0, end + 2)
            if found is None:
                raise ProtocolError("a SIP message on a stream has no Content-Length")
            whole = end + 4 + int(found[1])
            if whole > MAX_MESSAGE_BYTES:
                raise ProtocolError(f"a SIP message of {whole} bytes exceeds {MAX_MESSAGE_BYTES}")
            if len(self._bytes) < whole:
                break
            messages.append(bytes(self._bytes[:whole]))
            del self._bytes[:whole]
        if len(self._bytes) > MAX_MESSAGE_BYTES:
            raise ProtocolError(f"SIP headers exceed {MAX_MESSAGE_BYTES} bytes")
        return messages

    def _skip_blank_lines(self) -> None:
        """Skips line ends between messages; two of them are a keep-alive."""
        while self._bytes.startswith(b"\r\n"):
            if self._bytes.startswith(b"\r\n\r\n"):
                self.pings += 1
                del self._bytes[:4]
            else:
                if len(self._bytes) < 4:
                    return  # the other half may still arrive
                del self._bytes[:2]
