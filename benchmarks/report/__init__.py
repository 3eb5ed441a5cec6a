"""Measurements: taken in turns (`spread`) on a `machine`; shown by `view`, `plot` and `ratios`."""
