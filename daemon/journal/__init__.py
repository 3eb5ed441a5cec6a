"""The record of what the daemon sent its clients: streams, alerts and summaries in a database.

address.py   the URL of the database, and how it may be shown
entries.py   the rows to write
tables.py    the tables
store.py     reads and writes them, in the calling thread
journal.py   the daemon's side: writes in order from a thread of its own, several calls at once
clips.py     the audio around an alert; clipfolder.py writes it, if asked to
scores.py    scores over time, thinned
call.py      what one call writes, and what it waits for before it informs its client
"""
