"""Evaluation of a detector on labelled recordings.

- `corpus`: rows of a manifest; `audio`: their samples
- `protocols/`, `trials`: the trial lists of public data sets
- `score_files`: score files in the usual formats
- `telephone/`: codecs, rooms and noise before scoring
- `scoring/`: recordings to scores; `figures/`: scores to figures; `pages/`: figures shown
- `evaluate`: the implementation of `dfd evaluate`
"""
