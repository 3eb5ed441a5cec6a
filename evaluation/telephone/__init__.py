"""What a telephone call does to speech: `codecs`, a `room`, and named `conditions`."""
