"""Media over WebSocket: the `server` supports the `dialects` of several telephone systems.

Pure: `twilio`, `chan_websocket` (Asterisk), `forked` (audio_fork, FreeSWITCH and jambonz),
`audiohook` (Genesys), and `tracks`, two legs on one time line.
"""
