"""Conversion between the client's types and the contract's messages.

- `requests`: options to requests; `wire`: responses to events
- `messages`: events back to responses, and to JSON lines
"""
