"""One call of the service, a live stream or a recording: from requests to the core and back."""
