"""Everything that makes a detector: spoof making, augmentation, recipes.

The modules, in the order in which a training runs through them:

- ``cache``: the audio of a manifest, decoded once into one memory map
- ``copysynth``: spoofs made from human speech; ``codecs``: the same speech through telephony codecs
- ``augment``: what is done to a batch of waveforms on the fly
- ``network``: a compact Wav2Vec2 whose convolutions start as a filter bank
- ``recipe``: the options; ``loop``: the training itself
- ``export``: the folder that ``dfd.detector`` loads

The recipes of the reference systems (``reference``) are apart from that one: ``finetune`` trains a
pretrained backbone, ``frozen`` leaves it as it is. They share

- ``splits``: train and dev recordings; ``scan``, ``clips``: their audio, decoded by threads
- ``pretrained``: a backbone from a folder or the hub; ``classifier``: it with a head
- ``overrides``: options from files and the command line; ``runoptions``, ``progress``, ``tracking``
- ``windows``: scores as they are served; ``serving``: what is calibrated on them
- ``layouts``: files that ``--model`` reads; ``modelcard``: the page beside them
"""
