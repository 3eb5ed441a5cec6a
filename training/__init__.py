"""Everything that makes and judges a detector: corpora, spoof making, augmentation, recipes.

The modules, in the order in which a training runs through them:

- ``corpus``: rows of a manifest; ``cache``: their audio, decoded once into one memory map
- ``copysynth``: spoofs made from human speech; ``codecs``: the same speech through telephony codecs
- ``augment``: what is done to a batch of waveforms on the fly
- ``network``: a compact Wav2Vec2 whose convolutions start as a filter bank
- ``recipe``: the options; ``loop``: the training itself
- ``metrics``, ``calibration``, ``scoring``, ``evaluate``: what a detector is worth
- ``export``: the folder that ``dfd.detector`` loads
"""
