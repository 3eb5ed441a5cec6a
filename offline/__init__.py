"""Recordings judged without a server: the stream's own core with a detector beside it.

recording  one recording as `dfd detect` judges it, chunk by chunk, with alerts and a summary
windows    a recording in memory, cut as a stream is
batches    windows of many recordings, scored in full batches
scores     what the scores of a recording's windows say together, as a stream would be told
"""
