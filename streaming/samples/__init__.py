"""Bytes to samples at the model's rate, and a ring buffer of the last seconds with its gaps."""
