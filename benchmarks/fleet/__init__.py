"""How many nodes a service needs, and what happens when one of them goes.

costs.py       what a stream costs, fitted to what `dfd bench` measured; nodes and money from it
node.py        one node as a discrete-event simulation: windows, batches, deadlines
simulation.py  several nodes, one of which is killed; python -m dfd.benchmarks.fleet runs it
"""
