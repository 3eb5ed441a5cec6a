"""A daemon under load.

- `run`: the inside of `dfd bench serve`; `ramp`: how many streams next
- `daemon`: the one that is measured; `load`: the streams, from a process of their own
"""
