"""What it costs to serve with Ray: the engine called by handle, and Serve's own gRPC proxy.

cost.py        measures each beside the local engine, in turns
call.py        measures one call to the engine
proxy.py       starts the contract behind Serve's proxy, for the measurement
processes.py  what each kind of process takes
front.py       the deployment behind the proxy: the daemon's own session code
"""
