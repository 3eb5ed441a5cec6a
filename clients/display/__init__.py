"""How a stream is shown on a terminal or in a picture."""
