"""Hub ids, from a cache in the layout of the hub's library and from a hub on this machine."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants, snapshot_download

from dfd.detector.files.hub import is_hub_id
from dfd.detector.files.read import read_checkpoint
from dfd.errors import UserError
from tests.detector.files.hub import COMMIT, Hub

FILES = ("config.json", "preprocessor_config.json", "model.safetensors", "dfd.json")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def lay_out(cache: Path, folder: Path, names: tuple[str, ...] = FILES) -> Path:
    """Puts a model where a download would put it; returns its folder."""
    place = cache / "models--org--model"
    snapshot = place / "snapshots" / COMMIT
    for part in (place / "refs", place / "blobs", snapshot):
        part.mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    for name in names:
        content = (folder / name).read_bytes()
        blob = place / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / name).symlink_to(f"../../blobs/{blob.name}")
    return snapshot


@pytest.mark.parametrize("model", ["org/model", "org/model@main", f"org/model@{COMMIT}"])
def test_cached_files_need_no_network(model: str, cache: Path, folder: Path) -> None:
    lay_out(cache, folder)
    read = read_checkpoint(model)
    assert read.card.name == "org/model"
    assert read.card.window_samples == 4_000  # dfd.json was used
    assert read.weights_sha256 == read_checkpoint(str(folder)).weights_sha256


def test_the_card_is_optional(cache: Path, folder: Path) -> None:
    lay_out(cache, folder, FILES[:3])
    assert read_checkpoint("org/model").card.window_samples == 208_000


@pytest.mark.parametrize("missing", FILES[:3])
def test_without_network_the_message_says_how_to_copy_the_folder(
    missing: str, cache: Path, folder: Path
) -> None:
    lay_out(cache, folder, tuple(name for name in FILES if name != missing))
    with pytest.raises(
        UserError,
        match=rf"cache lacks {missing}, .* `hf download org/model --local-dir FOLDER`, copy",
    ):
        read_checkpoint("org/model")


def test_the_hubs_own_library_returns_an_incomplete_folder(cache: Path, folder: Path) -> None:
    """Why the files are fetched one by one: once this fails, `snapshot_download` may do."""
    lay_out(cache, folder, tuple(name for name in FILES if name != "model.safetensors"))
    found = Path(snapshot_download("org/model", local_files_only=True))
    assert (found / "config.json").exists()
    assert not (found / "model.safetensors").exists()


def test_a_folder_of_that_name_comes_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "model").symlink_to(folder)
    assert read_checkpoint("org/model").card.name == folder.name


@pytest.mark.parametrize("name", ["a/b", "facebook/wav2vec2-base", "a/b@v1.0", "a/b@refs/pr/1"])
def test_hub_ids(name: str) -> None:
    assert is_hub_id(name)


@pytest.mark.parametrize("name", ["bundled", "a/b/c", "/a/b", "./a", "../a", "a/..", "a b/c", "a/"])
def test_invalid_ids(name: str) -> None:
    assert not is_hub_id(name)


def serve_from(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Does what HF_ENDPOINT does at the start of a process."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub(folder)
    with hub.serving() as url:
        serve_from(url, monkeypatch)
        yield hub


def test_only_needed_files_are_fetched_once(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = read_checkpoint("org/model")
    assert read.weights_sha256 == read_checkpoint(str(folder)).weights_sha256
    assert sorted(hub.asked) == sorted(FILES)
    read_checkpoint("org/model@main")
    assert len(hub.asked) == len(FILES)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert read_checkpoint("org/model").weights_sha256 == read.weights_sha256


def test_weights_are_fetched_in_one_format_only(hub: Hub, folder: Path, tmp_path: Path) -> None:
    """Patterns cannot say this: whether there are others is known only on the way."""
    hub.folder = Path(shutil.copytree(folder, tmp_path / "both"))
    shutil.copy(hub.folder / "model.safetensors", hub.folder / "pytorch_model.bin")
    read_checkpoint("org/model")
    assert sorted(hub.asked) == sorted(FILES)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "RepoNotFound", "neither a folder nor, on the hub, a model org/model: correct"),
        (403, "GatedRepo", "org/model: access is granted on request: ask for it on the hub"),
        (404, "RevisionNotFound", "the hub has org/model, but not this revision"),
        (404, "EntryNotFound", "org/model has no config.json: it is not a classifier"),
        (503, "", "the hub's cache lacks config.json, and the hub cannot be reached"),
    ],
)
def test_refusals_of_the_hub(status: int, code: str, message: str, hub: Hub) -> None:
    hub.refusal = (status, code)
    with pytest.raises(UserError, match=message):
        read_checkpoint("org/model")


def test_an_unreachable_hub_is_not_waited_for(
    cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_from("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(UserError, match="the hub cannot be reached"):
        read_checkpoint("org/model")
    lay_out(cache, folder)
    assert read_checkpoint("org/model").card.name == "org/model"
