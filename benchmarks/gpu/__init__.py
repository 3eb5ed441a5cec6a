"""`scripts/gpu-check`: what dfd does on a graphics card, in one call of some minutes.

`run` starts the `parts` one after another, each a process of its own with its own time limit,
and writes what they found (`page`). A part writes each figure as it comes (`notes`), so that
one that is stopped leaves what it had.

- `environment`: versions, the card, the measured matrix peak
- `model`: wav2vec2-base and XLS-R 300M, ways to run them and batch sizes; `ways`, `timing`
- `tests`: those marked `cuda`
- `queue`: the scheduler before a model at a part of the load that it can take
- `daemon`: `dfd serve`, `dfd replay` and live streams

Nothing here needs a network, and the first four no package but torch, torchaudio, transformers,
safetensors, prometheus-client and pytest.
"""
