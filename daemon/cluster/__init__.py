"""Models that score elsewhere than on this machine.

ray_app.py     the deployment of Ray Serve that scores
ray_engine.py  the same, as a daemon on any node of the cluster uses it
ray_process.py, ray_caller.py
               both sides of the process that calls it for the daemon
messages.py    what they tell each other
triton_engine.py
               a model on a server of NVIDIA Triton
"""
