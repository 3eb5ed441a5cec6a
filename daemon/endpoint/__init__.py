"""The port: its address, TLS, admission, health and reflection."""
