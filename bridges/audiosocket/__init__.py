"""Asterisk's AudioSocket over TCP: `messages` on the wire, one `call`, the `server`."""
