"""What watchers of all streams see, at almost no cost to the streams.

A stream's events keep a `sight` up to date: the scores of its last windows and its active alerts.
A message is built when it is sent, once for all watchers; until then a watcher's queue holds only
the names of the streams that changed. Workers share their streams with each other, through the
supervisor, only while one of them has a watcher.
"""
