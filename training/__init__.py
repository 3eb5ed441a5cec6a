"""Everything that makes a detector: spoof making, augmentation, recipes.

The modules, in the order in which a training runs through them:

- ``cache``: the audio of a manifest, decoded once into one memory map
- ``copysynth``: spoofs made from human speech; ``codecs``: the same speech through telephony codecs
- ``augment``: what is done to a batch of waveforms on the fly
- ``network``: a compact Wav2Vec2 whose convolutions start as a filter bank
- ``recipe``: the options; ``loop``: the training itself
- ``export``: the folder that ``dfd.detector`` loads
"""
