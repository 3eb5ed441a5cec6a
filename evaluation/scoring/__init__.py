"""Recordings to scores, as the daemon makes them.

- ``windows``: window by window; ``served``: by the detector as it is served
- ``trial_scores``: all trials of a set, decoded ahead; ``long_streams``: false alerts an hour
"""
