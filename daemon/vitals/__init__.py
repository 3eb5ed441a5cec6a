"""What the daemon measures of its own work while it runs.

    vitals     all of it, placed in front of a model
    observed   a scheduler that reports on every window that passes
    pulse      whether windows come back scored, and in time
    capacity   whether one more stream would slow the others down: `rate` is the throughput of the
               device, first measured by `calibrate`; `loop` is how busy the event loop is
    descriptors
               whether new connections can be accepted

The figures are those of the process that serves the streams, wherever the model is.
"""
