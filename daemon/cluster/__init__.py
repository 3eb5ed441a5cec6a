"""Models that score elsewhere than on this machine.

ray_app.py     the deployment of Ray Serve that scores
ray_engine.py  the same, as a daemon on any node of the cluster calls it
triton_engine.py
               a model on a server of NVIDIA Triton
"""
