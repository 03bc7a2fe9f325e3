"""Models trained elsewhere: found by path, in the local hub cache or on the hub, and loaded."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from curalab._check import MissingExtraError, complain, need_extra
from curalab._networks import pick_device

__all__: list[str] = []

FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
_OLD_WEIGHTS = ("pytorch_model*.bin*",)  # only where there are no others
_NO_MODEL = (".md", ".py", ".pyc")
_ON_HUB = re.compile(r"[\w-][\w.-]*/[\w.-]+")

Origin = Mapping[str, str]
Stamp = tuple[tuple[str, int, int], ...]


class Family(NamedTuple):
    """The models that an encoder can load: the kinds that config.json may name."""

    encoder: str
    extra: str
    kinds: tuple[str, ...]


# ---- where it is ---------------------------------------------------------------------------------


def find(model: str, family: Family) -> tuple[Path, Origin]:
    """Return the folder of a model, and what `params` keeps of it; never another model."""
    need_extra("transformers", family.extra, purpose=f"The encoder {family.encoder!r}")
    rule = "a folder that holds a model (config.json and weights), or the name of one on the hub, "
    if not isinstance(model, str):
        raise TypeError(complain("model", f"{rule}as 'owner/name', in a string", model))
    folder = Path(model).expanduser()
    if holds_model(folder) and (folder / "config.json").is_file():
        told = {"model": folder.resolve().name, "from": "path"}
    elif folder.exists() or not _ON_HUB.fullmatch(model):
        raise FileNotFoundError(complain("model", f"{rule}as 'owner/name'", model))
    else:
        missing = f"The model {model} is not in the local hub cache"
        hint = "Pass the path of a folder that holds it as `model`."
        folder, source = snapshot(model, FILES, missing, hint)
        told = {"model": model, "from": source, "revision": folder.name}
    kind = _json(folder / "config.json").get("model_type")
    if kind not in family.kinds:
        rule = f"a model of type {' or '.join(map(repr, family.kinds))}"
        raise ValueError(complain("model", rule, what=f"{model!r}, of type {kind!r}"))
    return folder, {**told, "hash": hash_of(folder)}


def holds_model(folder: Path) -> bool:
    """Whether a folder holds a model's description and weights."""
    is_told = any((folder / name).is_file() for name in ("modules.json", "config.json"))
    return is_told and any(file.suffix in (".safetensors", ".bin") for file in folder.rglob("*"))


@functools.cache
def snapshot(model: str, files: tuple[str, ...], missing: str, hint: str) -> tuple[Path, str]:
    """Return the folder of a model in the hub cache, downloaded where it is not there yet.

    `missing` begins and `hint` ends the error where it cannot be had.
    """
    from huggingface_hub import snapshot_download

    download = functools.partial(snapshot_download, model)
    with contextlib.suppress(OSError):  # it is not there, so it is fetched
        folder = Path(download(allow_patterns=list(files), local_files_only=True))
        if holds_model(folder):
            return folder, "hub cache"
    try:
        folder = Path(download(allow_patterns=list(files)))
        if not holds_model(folder):
            folder = Path(download(allow_patterns=[*files, *_OLD_WEIGHTS]))
        return folder, "hub"
    except Exception as error:  # the hub's client raises errors of several libraries
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise OSError(f"{missing}, and could not be downloaded ({reason}). {hint}") from error


# ---- what tells it from others -------------------------------------------------------------------


def stamp_of(folder: Path) -> Stamp:
    """Return what changes when a file of the model does; a model may be trained on in place."""
    files = [f for f in sorted(folder.rglob("*")) if f.is_file() and f.suffix not in _NO_MODEL]
    told = [(f, f.stat()) for f in files]
    return tuple((f.relative_to(folder).as_posix(), s.st_size, s.st_mtime_ns) for f, s in told)


def hash_of(folder: Path) -> str:
    """Return a hash of the model's files."""
    return _hash_files(folder, stamp_of(folder))


@functools.lru_cache(maxsize=8)
def _hash_files(folder: Path, stamp: Stamp) -> str:
    made = hashlib.blake2b(digest_size=16)
    for name, _, _ in stamp:
        made.update(name.encode())
        with (folder / name).open("rb") as stream:
            made.update(hashlib.file_digest(stream, "blake2b").digest())
    return made.hexdigest()


# ---- what it computes ----------------------------------------------------------------------------


class Loaded(NamedTuple):
    """A model on its device, in evaluation mode, and the folder with all else that it needs."""

    model: Any
    folder: Path
    device: Any
    dtype: Any

    def numbers(self, array: Any) -> Any:
        """Return an array as a tensor where and as the model computes."""
        import torch

        return torch.as_tensor(array).to(self.device, self.dtype)


def load(model: str, family: Family, device: str) -> Loaded:
    """Return a model ready to compute, in half precision on CUDA; the last two are kept."""
    folder, _ = find(model, family)
    return _load(folder, str(pick_device(device)), stamp_of(folder))


@functools.lru_cache(maxsize=2)
def _load(folder: Path, device: str, stamp: Stamp) -> Loaded:
    import torch
    from transformers import AutoModel

    with quiet():
        model, report = AutoModel.from_pretrained(
            folder, local_files_only=True, output_loading_info=True
        )
    # transformers would go on with random numbers in their place; masks are for training only.
    missing = sorted(name for name in report["missing_keys"] if "mask" not in name)
    if missing:
        rule = "a folder with all weights of its model"
        got = f"{str(folder)!r}, which lacks {len(missing):,} of them, such as {missing[0]!r}"
        raise ValueError(complain("model", rule, what=got))
    dtype = torch.float16 if device.startswith("cuda") else torch.float32
    return Loaded(model.to(device, dtype).eval(), folder, torch.device(device), dtype)


@functools.lru_cache(maxsize=2)
def tokenizer(folder: Path, stamp: Stamp) -> Any:
    """Return what makes numbers of texts."""
    from transformers import AutoTokenizer

    try:
        with quiet():
            return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except ImportError as error:
        raise MissingExtraError(
            f"The texts of the model in {str(folder)!r} need a package that is not installed. "
            "Install it with: pip install sentencepiece protobuf"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers while it loads: over in a moment, and its bar is drawn in logs too."""
    from transformers.utils import logging

    has_bar, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # `_load` says what is missing
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bar:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def unit(vectors: Any) -> Any:
    """Return a tensor's rows as an array of unit length, float32."""
    import torch

    return torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()


def _json(file: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return made


def settings_of(folder: Path, part: str) -> dict[str, Any]:
    """Return how a model wants its input: preprocessor_config.json, or the newer file of all."""
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            told = _json(folder / name)
            own: dict[str, Any] = told.get(part, told)
            return own
    raise FileNotFoundError(
        f"The model in {str(folder)!r} must have a preprocessor_config.json, which says how it "
        "wants its input. Got none instead."
    )
