"""Everything that makes a detector: three packages of recipes, and what they share.

- `bundled`: the detector that comes with dfd, from a corpus to a model folder
- `finetune`: the reference systems that train a pretrained backbone: A, B and C
- `frozen`: the reference system that leaves it unchanged: D
- `reference`: runs a recipe of the latter two by its name

They share `material/`, the training audio; `weights/`, from a pretrained backbone to the files
that `--model` reads; `run/`, the options and the progress of one training. `scoring` computes
scores as the daemon would, and `weights.serving` calibrates on them.
"""
