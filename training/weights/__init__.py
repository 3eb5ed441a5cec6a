"""Weights, from the backbone that a training starts with to the files that it writes.

- `pretrained`: a backbone to start from; `classifier`: the same with a head
- `layouts`: files that `--model` reads; `serving`: the keys of `dfd.json`; `modelcard`: the README
"""
