"""A SIP user agent server that answers calls to be judged: SIPREC sessions and ordinary ones.

messages, framing, bodies, metadata   parsing (sipmessage parses the messages)
offers, answers, srtp                 the session descriptions, and the keys in them
digest, peers                         who may call
transactions, dialogs, agent          RFC 3261 without I/O: requests in, responses out
asked, responses                      what a request asks for; what a response says of the bridge
watched, drift                        the media of one call, as call events on one time line
media, server                         the ports: RTP and SIP over UDP, TCP and TLS
"""
