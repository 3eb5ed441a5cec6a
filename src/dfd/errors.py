"""What a user can put right, in every room."""


class UserError(Exception):
    """A mistake the user can put right; the message is one sentence that says what to do."""
