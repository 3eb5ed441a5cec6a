"""The reference recipes on frozen embeddings: system D and its contrastive branch.

- `options`: the published figures as frozen options
- `spectral`: centroid, entropy and MFCCs of a batch; `embedding`: a frozen backbone's mean
- `features`: both for a whole split, on all cores, kept on disk
- `logreg`: scaling and logistic regression by grid search; `contrastive`: the projection
- `folding`: what of it is linear, as a model that is served live
- `run`: all of it, from data to card
"""
