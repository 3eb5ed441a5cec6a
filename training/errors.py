"""What goes wrong in a training and can be mended by whoever started it."""


class TrainingError(Exception):
    """A recipe, a backbone or an output folder that cannot be used; one line for the user."""
