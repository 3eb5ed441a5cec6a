"""What can go wrong, in words for the one who can mend it."""


class DetectionError(Exception):
    """The server refused a call or could not be reached.

    Attributes:
        code: the gRPC status as a word, "UNAVAILABLE".
        reason: stable UPPER_SNAKE_CASE word of the server's `ErrorInfo`; empty where there is none.
        message: for people; says what to do.
        retry_after_seconds: when the server asks to be tried again; None where it does not say.
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
        """Whether the same call may succeed later without a change."""
        return self.code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
