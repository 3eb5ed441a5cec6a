"""Shows figures: as `text`, as `plots` and as one HTML `report`."""
