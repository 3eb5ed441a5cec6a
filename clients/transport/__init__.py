"""How audio gets there and events come back, whatever the network does.

- ``connection``: a channel from options; ``calls``: one RPC; ``status``: errors from statuses
- ``link``: a stream that outlives its calls; ``retry``: when to call again; ``buffer``: audio
  that is not yet acknowledged
"""
