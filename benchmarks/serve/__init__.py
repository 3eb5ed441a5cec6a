"""A daemon under load.

- `capacity`: runs `dfd bench serve`; `ramp`: how many streams to try next
- `daemon`: the daemon under test; `load`: the streams, from a separate process
"""
