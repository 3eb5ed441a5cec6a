"""What a detector is worth on labelled recordings.

- ``corpus``: rows of a manifest; ``audio``: their samples; ``codecs``, ``conditions``: telephony
- ``scoring``: recordings to scores, window by window, as the daemon makes them
- ``metrics``, ``calibration``: scores to figures of merit; ``figures``: all of a set's
- ``protocols``, ``trials``: what public data sets list; ``score_files``: scores in the field's form
- ``tdcf``, ``heard``, ``long_streams``: tandem cost, evidence as it arrives, false alerts an hour
- ``run``: the inside of ``dfd evaluate``; ``words``, ``plots``, ``report``: its figures, shown
"""
