"""The server: service, scheduler, limits, auth, metrics, life cycle."""
