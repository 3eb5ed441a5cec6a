"""Weights, from where a training starts to what it leaves behind.

- `pretrained`: a backbone to start from; `classifier`: with a head
- `layouts`: files that `--model` reads; `serving`: the keys of `dfd.json`; `modelcard`
"""
