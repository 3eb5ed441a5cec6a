"""Lets a stream continue with its evidence on another daemon, or on this one after a restart.

keys.py         the keys that sign states, shared by the nodes of a service
seal.py         a session's state as bytes that no client can forge, and back again
checkpoints.py  when one stream sends checkpoints, and the state that it continues from
"""
