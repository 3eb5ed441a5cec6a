"""What a detector is worth on labelled recordings.

- `corpus`: rows of a manifest; `audio`: their samples
- `protocols/`, `trials`: what public data sets list
- `score_files`: scores in the field's form
- `telephone/`: codecs, rooms and noise before scoring
- `scoring/`: recordings to scores; `figures/`: scores to figures; `pages/`: figures shown
- `evaluate`: the inside of `dfd evaluate`
"""
