"""What the daemon told its clients, kept: streams, alerts and summaries in a database.

address.py   the URL of the database, and how it may be shown
entries.py   what is written
tables.py    the tables
store.py     reads and writes them, in the thread that calls
journal.py   the daemon's side: writes from a thread of its own, in order, several calls at once
clips.py     the audio around an alert; clipfolder.py writes it, by option
scores.py    scores over time, thinned
call.py      what one call has written, and what it waits for before it tells its client
"""
