"""What the daemon knows of its own work while it runs.

    vitals     all of it, put before a model
    observed   the scheduler, with an eye on every window that passes
    pulse      whether windows come back judged, and in time
    capacity   whether one more stream would make the others suffer: `rate` is what the device
               scores, first found by `calibrate`; `loop` how busy the event loop is
    descriptors
               whether new connections can be taken

The figures are those of the process that has the streams, wherever the model is.
"""
