"""A recording judged without a server: the stream's own core with a detector beside it."""
