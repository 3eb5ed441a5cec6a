"""The one exception for mistakes that a user can correct."""


class UserError(Exception):
    """A mistake that the user can correct; the message is one sentence that says what to do."""
