"""A self-contained page for a case file: what was heard and when, and what the figures mean.

page.py      the content of the page
sources.py   builds it for a recording, a running stream, a call from the journal
picture.py   scores over time as shapes
render.py    the page as HTML or PDF
"""
