"""One run of a recipe: its `options` and their `overrides`, `progress` and `tracking`."""
