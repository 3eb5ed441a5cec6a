"""How a stream goes on with its evidence at another daemon, or at this one started anew.

keys.py         the secrets by which a state is signed, shared by the nodes of a service
seal.py         a session's state as bytes that no client can forge, and back
checkpoints.py  when one stream gives them, and what it goes on with
"""
