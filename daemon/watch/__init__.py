"""What whoever watches all streams is shown; it costs the streams next to nothing.

A stream's events keep a `sight` up to date: the scores of its last windows and the alerts that are
raised. A message is made when it is written, once for all watchers; until then a watcher's queue
holds no more than the names of the streams that changed. Workers show their streams to each other,
through the supervisor, only while one of them is watched.
"""
