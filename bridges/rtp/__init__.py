"""Forked RTP, described by SDP or on the command line.

Pure: `packets`, `rtcp`, `jitter` (order), `timeline` (gaps), `sdp`. `source` is one SSRC on its way
to a leg, the `server` has the sockets.
"""
