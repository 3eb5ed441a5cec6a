"""Everything that makes a detector, in three recipes' rooms and what they share.

- ``bundled``: the detector that comes with dfd, from a corpus to a model folder
- ``finetune``: the reference systems that train a pretrained backbone: A, B and C
- ``frozen``: the reference system that leaves it as it is: D
- ``reference``: the way from a name to one of the latter two

Sound: ``augment`` changes batches of waveforms, ``codecs`` sends them through telephony codecs,
``espeak`` speaks sentences. Data: ``splits`` has train and dev recordings, ``scan`` and ``clips``
their audio, decoded by threads. Models: ``pretrained`` is a backbone from a folder or the hub,
``classifier`` one with a head, ``layouts`` the files that ``--model`` reads, ``modelcard`` the
page beside them. Runs: ``overrides``, ``runoptions``, ``progress``, ``tracking``; ``windows``
gives scores as they are served, and ``serving`` what is calibrated on them.
"""
