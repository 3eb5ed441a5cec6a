"""The reference recipes that train a Wav2Vec2 backbone with a head on it: A, B and C.

- `options`: the published figures as frozen options, by recipe
- `network`: backbone and head; `freezing`: which parameters a stage trains
- `audio`: what of a recording is heard in training and in scoring
- `schedule`: learning rates; `state`: what a resumed run needs; `loop`: the training
- `layouts`: the files that `--model` reads; `run`: all of it, from data to card
"""
