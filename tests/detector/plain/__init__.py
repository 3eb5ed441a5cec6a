"""Published networks written down plainly from their papers, node by node: slow, and obvious.

They take tensors by the published names and share nothing with dfd's own networks.
"""
