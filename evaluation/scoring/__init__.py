"""Recordings to scores, as the daemon makes them.

- `served`: the detector as it is served; `dfd.offline` cuts and scores for it
- `trial_scores`: all trials of a set, decoded ahead; `long_streams`: false alerts an hour
"""
