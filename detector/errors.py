"""What can go wrong with a model, in words for the one who can mend it."""


class DetectorError(Exception):
    """A model, device or precision that cannot be served; one sentence that says what to do."""
