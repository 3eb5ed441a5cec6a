"""`dfd bench`: how fast the model, the daemon and the core are, and against what.

    model/  windows a second by batch size (`dfd bench model`)
    serve/  streams that a daemon holds (`dfd bench serve`), and what sends them
    core    streams a core without a classifier (`dfd bench core`)
    report/ how often it is measured, and what is said of it
    recordings, speech: what is heard meanwhile

May import every room; nothing imports it but `cli`.
"""
