"""The digest of a model's weights, without reading them again if they have not changed."""

from dfd.detector.files import folder_files
from dfd.detector.files.read import find_model
from dfd.detector.files.tensors import digest
from dfd.detector.start_cache import recall, remember

_TOPIC = "digest"


def weights_sha256(model: str) -> str:
    """Returns the SHA-256 of a model's weights, as a loaded model states it.

    Args:
        model: `bundled`, the name of a fetched detector, or a file or folder.

    Raises:
        UserError: if it is not here, or has no weights.
    """
    path = find_model(model)
    files = folder_files.weight_files(path) if path.is_dir() else [path]
    stats = [(file, file.stat()) for file in files if file.exists()]
    conditions = {
        "files": [[str(file.resolve()), stat.st_size, stat.st_mtime_ns] for file, stat in stats]
    }
    found = recall(_TOPIC, conditions)
    if isinstance(found, str):
        return found
    made = digest(*files)
    remember(_TOPIC, conditions, made)
    return made
