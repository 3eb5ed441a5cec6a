"""Watermarks that some generators put into their speech, read independently of the classifier.

    schemes     the watermarks that can be read, and the threshold of each (no torch)
    perth       the reader of Perth's
    audioseal   the reader of AudioSeal's
    readers     samples -> the confidence of each scheme
    child       the same in a separate process, for the daemon
    records     the messages between the daemon and that process

A reading never enters the classifier's score: it is separate evidence.
"""
