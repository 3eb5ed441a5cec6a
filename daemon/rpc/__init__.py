"""One call of the service, live or whole: from requests to the core and back."""
