"""From a telephone system to the daemon: call audio in, alerts out.

Read from the wire inwards. The pure parts take bytes and give events, without input or
output: `audiosocket` (frames), `rtp`, `rtcp`, `jitter`, `timeline`, `codecs` and `sdp` (RTP),
`twilio`, `chan_websocket`, `forked` and `audiohook` (WebSocket media), `tracks` (two legs on
one time line). The servers `audiosocket_server`, `rtp_server` and `websocket_server` drive
them. Each call becomes a `leg.Leg`, one stream to the daemon that outlives it; the
`exchange.Exchange` holds all legs, the limits and the metrics of the process.
"""
