"""What the daemon knows of its own work while it runs.

    observed   the scheduler, with an eye on every window that passes
    pulse      whether windows come back judged, and in time

The figures are those of the process that has the streams, wherever the engine is.
"""
