"""`scripts/gpu-check`: checks and measures dfd on a graphics card within a few minutes.

`run` starts the parts one after another, each in a separate process with its own time limit, and
writes what they found (`page`). A part writes each figure at once (`notes`), so that a part that is
stopped keeps what it had.

- `environment`: versions, the card, the measured matrix peak
- `model`: wav2vec2-base and XLS-R 300M, ways to run them and batch sizes; `ways`, `timing`
- `tests`: the tests marked `cuda`
- `queue`: the scheduler in front of a model, at a fraction of the load that it can take
- `daemon`: `dfd serve`, `dfd replay` and live streams

Nothing here needs a network, and the first four parts need only the packages torch, torchaudio,
transformers, safetensors, prometheus-client and pytest.
"""
