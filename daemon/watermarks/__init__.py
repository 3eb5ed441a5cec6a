"""Watermarks of streams, read in a separate process with spare CPU time.

reader  the windows waiting to be read, and the process that reads them
stream  one stream's windows on their way there and back
"""
