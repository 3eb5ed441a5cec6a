"""The console: a web page that is a client of the daemon like any other.

server.py     puts the pages, the microphone's door and the token's keeper together, and serves them
access.py     who gets in: a token, and browsers that were not sent here by another page
hub.py        one look at the daemon for all viewers: its streams, its models
frame.py      what every page has: navigation, dark and light, styles
live.py       the browser's microphone
files.py      a recording, uploaded or synthesised here
calls.py      all running streams, and one of them closely
history.py    the calls that are over
model.py      the model's card
charts.py     scores and waveforms as ECharts options
microphone.py the browser's audio on its way to the daemon
examples.py   voices that this machine can synthesise
"""
