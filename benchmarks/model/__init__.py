"""The classifier alone.

- `compare`: runs `dfd bench model`; `entrants`: what it compares; `peers`: other ways to run the
  same model; `peak`: the most that the machine could do; `figures`: the report
- `networks`, `published`: models and published detectors at their true size, with random weights
- `sharing`, `features`: what is saved by computing shared frames once, and features in batches
"""
