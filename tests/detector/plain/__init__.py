"""Published networks written plainly from their papers, node by node: slow but obvious.

They take tensors by the published names and share nothing with dfd's own networks.
"""
