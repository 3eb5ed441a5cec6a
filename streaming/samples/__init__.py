"""Bytes to samples at the model's rate, and the last seconds of them: the ring, and its gaps."""
