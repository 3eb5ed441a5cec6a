"""The classifier: the only room that knows torch."""
