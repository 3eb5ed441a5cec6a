"""Reads a model: its files, their tensors and the properties stored with them.

checkpoint           a model in memory; `read` finds its format and reads it
bundled, pulled      the model that comes with dfd, and public ones that were fetched
hub                  folders by their id on the Hugging Face hub
transformers_folder  folders written by `save_pretrained`, of the `folder_files`
state_dict           classifiers that a training script saved as tensors, in one of the
layouts              of published detectors, one module each
pickled, tensors     safe reading, and matching with the expected tensors
published, labels    what can be inferred from the tensors and the configuration
card                 `dfd.json`: what only the model's trainer knows
"""
