"""`dfd bench`: how fast the model, the daemon and the core are, and against what.

    model, peers, networks, peak -> windows a second by batch size (`dfd bench model`)
    daemon, ramp -> streams that a daemon holds (`dfd bench serve`)
    load -> as many streams as the machine can send (`python -m dfd.bench.load`)
    core -> streams a core without a classifier (`dfd bench core`)
    spread, machine, view, plot -> what is said of them

May import every room; nothing imports it but `cli`.
"""
