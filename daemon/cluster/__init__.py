"""Models that score elsewhere than on this machine.

ray_engine.py  the engine of a Ray cluster, as a daemon on any of its nodes uses it
ray_replicas.py, ray_listener.py
               both sides of the connection on which a replica scores: ray_link.py
ray_process.py, ray_caller.py
               both sides of the process that finds the replicas for the daemon: messages.py
ray_app.py, ray_scaling.py
               the deployment of Ray Serve: its replicas, and how many there should be
triton_engine.py
               a model on a server of NVIDIA Triton
"""
