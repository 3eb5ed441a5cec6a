"""Where a client's audio comes from: a microphone, recordings."""
