"""Watermarks of streams: read in a process of their own, with what time is left.

desk    windows that wait to be read, and the process that reads them
marks   one stream's windows on their way there and back
"""
