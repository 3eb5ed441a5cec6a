"""The console: a web page that is a client of the daemon like any other.

server.py     combines the pages, the microphone's web socket and access control, and serves them
access.py     access control: a token, and no cross-site requests
hub.py        one connection to each daemon for all viewers: its streams, its models
frame.py      the common frame of all pages: navigation, dark and light, styles
live.py       the browser's microphone
files.py      a recording, uploaded or synthesised on the spot
calls.py      all running streams, and one of them in detail
history.py    finished calls
model.py      the model's card
charts.py     scores and waveforms as ECharts options
microphone.py the browser's audio on its way to the daemon
examples.py   voices that this machine can synthesise
"""
