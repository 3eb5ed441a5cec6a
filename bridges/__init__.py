"""From a telephone system to the daemon: call audio in, alerts out.

audiosocket/ rtp/ sip/ websocket/   one protocol each: pure parts that turn bytes into events, and a
server that drives them
media/                         codecs and silence, for all of them
calls                          the events of a call, in any protocol
leg                            one stream to the daemon, which it survives
exchange                       all legs, the `limits` and the `metrics` of the process
plans, serve                   from `options` to the servers of one process
"""
