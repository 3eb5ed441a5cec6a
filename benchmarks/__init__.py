"""`dfd bench`: how fast the model, the daemon and the core are, and against what.

    model/  windows per second by batch size (`dfd bench model`)
    serve/  how many streams a daemon holds (`dfd bench serve`), and the load generator
    core    streams per core without a classifier (`dfd bench core`)
    report/ repeated measurements, and how they are shown
    gpu/    checks and measures everything on a graphics card (`scripts/gpu-check`)
    fleet/  how many nodes a service needs (`python -m dfd.benchmarks.fleet`)
    recordings, speech: the audio used

May import every room; nothing imports it but `cli`.
"""
