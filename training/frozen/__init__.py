"""The reference recipes on frozen embeddings: system D and its contrastive branch.

- `recipe`: the published settings as frozen options
- `spectral`: centroid, entropy and MFCCs of a batch; `embedding`: a frozen backbone's mean frame
- `features`: both for a whole split, on all cores, cached on disk
- `parts`: what is fitted on, held out and judged
- `logreg`: scaling and logistic regression by grid search; `contrastive`: the projection
- `folding`: the linear part, as a model that can be served live
- `saved`, `score`: the regression on all features, saved to score recordings later
- `train`: all of it, from data to model card
"""
