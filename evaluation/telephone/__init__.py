"""The effects of a telephone call on speech: `codecs`, a `room`, and named `conditions`."""
