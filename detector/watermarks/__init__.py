"""Watermarks: what some generators put into their speech, read beside the classifier.

    schemes     which there are, and from what confidence on each counts (no torch)
    perth       the reader of one of them
    readers     samples -> the confidence of each scheme
    child       the same in a process of its own, for the daemon

A reading never enters the classifier's score: it is evidence of its own.
"""
