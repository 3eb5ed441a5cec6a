"""Clients of the daemon: a typed client, replay, microphone, displays."""
