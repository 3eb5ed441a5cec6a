"""Everything that makes a detector, in three recipes' rooms and what they share.

- `bundled`: the detector that comes with dfd, from a corpus to a model folder
- `finetune`: the reference systems that train a pretrained backbone: A, B and C
- `frozen`: the reference system that leaves it as it is: D
- `reference`: the way from a name to one of the latter two

They share `material/`, what is heard; `weights/`, from a backbone to start from to the files
that `--model` reads; `run/`, the options and the progress of one training. `scoring` gives
scores as they are served, `weights.serving` what is calibrated on them.
"""
