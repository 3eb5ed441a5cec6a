"""What can go wrong, worded for the person who can fix it."""


class DetectionError(Exception):
    """The server refused a call or could not be reached.

    Attributes:
        code: the gRPC status by name, such as "UNAVAILABLE".
        reason: stable UPPER_SNAKE_CASE word from the server's `ErrorInfo`; empty if there is none.
        message: a message for people that says what to do.
        retry_after_seconds: when the server asks to be retried; None if it does not say.
    """

    def __init__(
        self,
        code: str,
        reason: str = "",
        message: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(f"{code}{f' ({reason})' if reason else ''}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after_seconds = retry_after_seconds

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later unchanged."""
        return self.code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
