"""What `dfd listen` and `dfd replay` do, apart from the display."""
