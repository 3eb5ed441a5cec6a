"""A SIP user agent server that takes calls to be watched: SIPREC's and plain ones.

messages, framing, bodies, metadata   what comes off the wire (sipmessage reads the messages)
offers, answers, srtp                 the session descriptions, and the keys in them
digest, peers                         who may come in
transactions, dialogs, agent          RFC 3261 without input or output: requests in, answers out
watched, drift                        the media of one call, as call events on one time line
media, server                         the ports: RTP and SIP over UDP, TCP and TLS
"""
