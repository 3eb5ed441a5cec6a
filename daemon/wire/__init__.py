"""Between the wire's messages and the core's types.

- `requests`: what a client asks for, checked; `events`: what happened, as responses
- `describe`: what is served and in force
"""
