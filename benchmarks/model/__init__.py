"""The classifier alone.

- `run`: the inside of `dfd bench model`; `peers`: other ways to run the same model;
  `peak`: what the machine could do at most
- `networks`: models of true size with random weights
- `sharing`, `features`: what computing shared frames once, and frozen features in batches spare
"""
