"""From a telephone system to the daemon: call audio in, alerts out.

audiosocket/ rtp/ sip/ websocket/   a protocol each: pure parts that take bytes and give events,
and a server that drives them
media/                         codecs and silence, for all of them
calls                          what the protocols say of a call
leg                            one stream to the daemon, which outlives it
exchange                       all legs, the `limits` and the `metrics` of the process
plans, serve                   from `options` to the servers of one process
"""
