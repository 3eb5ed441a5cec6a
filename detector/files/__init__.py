"""What is read of a model: its files, their tensors and the facts beside them.

checkpoint           what `--model` names, and which of the layouts below it has
hub                  folders by their id on the Hugging Face hub
transformers_folder  as `save_pretrained` writes them
state_dict           classifiers that a training script saved as tensors, in one of the
layouts              that the field publishes, a module each
pickled, tensors     safely read, and matched with those that are wanted
published, labels    what can be told from the tensors and the configuration
card                 `dfd.json`: what only the one who trained it knows
"""
