"""How many nodes a service needs, and what happens when one of them fails.

- `costs`: what a stream costs, fitted to measurements of `dfd bench`; nodes and price from that
- `node`: one node as a discrete-event simulation: windows, batches, deadlines
- `simulation`: several nodes, one of which is killed; `python -m dfd.benchmarks.fleet` runs it
"""
