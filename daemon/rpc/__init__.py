"""One call of the service, a live stream or a recording: from requests to the core and back.

stream, recording    one call each; `audio` has what both share
reader, coalesce     requests of a stream, its audio joined into larger pieces
pipeline, turns      the core of a call between the scheduler's windows and scores, in order
emission, outbox     what the client is told, and what waits to be written
shedding, noted      warnings about windows that were shed; what operators see of a call
ends, timers         the ways a stream can end, and the clocks that end it
manage, watch        calls about models, and about all streams
rehearse             runs a stream of noise before the first one
"""
