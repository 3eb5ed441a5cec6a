"""Conversion between the wire's messages and the core's types.

- `requests`: a client's requests, validated; `events`: the core's events, as responses
- `describe`: what is served, and the effective configuration
"""
