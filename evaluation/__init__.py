"""What a detector is worth on labelled recordings.

- ``corpus``: rows of a manifest; ``audio``: their samples; ``codecs``, ``conditions``: telephony
- ``scoring``: recordings to scores, window by window, as the daemon makes them
- ``metrics``, ``calibration``: scores to figures of merit; ``figures``: all of a set's
- ``judge``: the inside of ``dfd evaluate``
"""
