"""The port: its address, TLS, who gets in, health and reflection."""
