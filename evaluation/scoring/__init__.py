"""Scores recordings as the daemon does.

- `served`: the detector as it is served; `dfd.offline` cuts and scores for it
- `trial_scores`: all trials of a set, decoded ahead; `long_streams`: false alerts per hour
"""
