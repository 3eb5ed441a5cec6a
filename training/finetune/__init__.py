"""The reference recipes that train a Wav2Vec2 backbone with a head on it: A, B and C.

- `recipe`: the published settings as frozen options, by recipe
- `network`: backbone and head; `freezing`: which parameters a stage trains
- `audio`: which part of a recording is used in training and in scoring
- `schedule`: learning rates; `state`: what a resumed run needs; `stage`: the steps and
  evaluations of one stage; `loop`: all stages in turn
- `train`: all of it, from data to model card
"""
