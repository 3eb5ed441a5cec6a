"""What to do with a stream's events: write JSON lines, call webhooks, run a command."""
