"""Scoring recordings without a server: the core of a stream together with a detector.

recording  one recording as `dfd detect` scores it, chunk by chunk, with alerts and a summary
windows    a recording in memory, cut like a stream
batches    windows of many recordings, scored in full batches
scores     the scores of a recording's windows, combined as on a stream
"""
