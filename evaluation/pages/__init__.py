"""Figures shown: in `words`, as `plots` and as one HTML `report`."""
