"""Gets audio to the server and events back, whatever the network does.

- `connection`: the channel; `route`: whether it leaves this machine; `rpc`: writing to one RPC,
  and why it ended; `status`: errors
- `link`: a stream that survives its calls; `resume`: with its evidence; `retry`: when to call
  again; `buffer`: audio that is not yet acknowledged; `shared`: what it shares with its caller
"""
