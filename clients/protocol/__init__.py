"""Between the client's types and the contract's messages.

- `requests`: options to requests; `wire`: answers to events
- `messages`: events back to answers, and to lines of JSON
"""
