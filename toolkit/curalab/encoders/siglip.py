"""Images and texts in one space: SigLIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from curalab._check import FloatArray, check_integer
from curalab.encoders._dual import encoded, features, images_of, tokens_of
from curalab.encoders._pretrained import Family, Loaded, Origin, find, load

__all__ = ["SigLIP"]

_FAMILY = Family("siglip", "image", ("siglip",))


@dataclass(frozen=True, kw_only=True)
class SigLIP:
    """SigLIP: images and texts in one space, each pair judged by itself when it learned.

    ``embed(images, encoder="siglip")`` and ``embed(texts, encoder="siglip")`` compare. Sharper
    than ``clip`` of the same size and in many languages, and a download more than twice as large.
    Texts are read up to their first 64 tokens. 768 dimensions, unit length.

    Parameters
    ----------
    model : str, default="google/siglip2-base-patch16-224"
        The name of a SigLIP model on the hub, or a folder that holds one, SigLIP 2 of fixed
        resolution included. A name is looked for in the local hub cache, then fetched from the
        hub (1.5 GB); `origin` says which it was. Nothing takes its place.
    device : str, default="auto"
        Where torch computes; "auto" takes CUDA where there is some, in half precision.
    batch_size : int, default=64
        Images or texts encoded at a time.

    Notes
    -----
    It takes texts where the rows are strings, and images where they are PIL images, arrays, Path
    objects, or strings that end as image files do. Texts are lower-cased and filled up to 64
    tokens, as the models learned them. The texts of the first SigLIP, such as
    "google/siglip-base-patch16-224", need the packages sentencepiece and protobuf besides.

    References
    ----------
    .. [1] Zhai, Mustafa, Kolesnikov, Beyer (2023), "Sigmoid Loss for Language Image
       Pre-Training", ICCV.
    .. [2] Tschannen, Gritsenko, Wang et al. (2025), "SigLIP 2: Multilingual Vision-Language
       Encoders with Improved Semantic Understanding, Localization, and Dense Features", arXiv.
    """

    takes: ClassVar[tuple[str, ...]] = ("image", "text")
    extra: ClassVar[str] = "compares images with texts: pip install 'curalab[image]'"
    cost: ClassVar[str] = "about 35 minutes for 10,000 images on 2 cores"

    model: str = "google/siglip2-base-patch16-224"
    device: str = "auto"
    batch_size: int = 64

    def __post_init__(self) -> None:
        check_integer("batch_size", self.batch_size, low=1)

    @property
    def origin(self) -> Origin:
        """The model's name, where it came from, its revision and a hash of its files."""
        return find(self.model, _FAMILY)[1]

    def encode(self, batch: Sequence[Any]) -> FloatArray:
        """Return vectors of unit length, shape (b, d)."""
        known = load(self.model, _FAMILY, self.device)
        return encoded(known, batch, texts=_texts, others=images_of)


def _texts(known: Loaded, batch: Sequence[str]) -> Any:
    longest = known.model.config.text_config.max_position_embeddings
    lower = [text.lower() for text in batch]
    tokens = tokens_of(known, lower, longest=longest, fill=True)
    # No mask: the models learned to read the filling, too.
    return features(known.model.get_text_features(input_ids=tokens["input_ids"]))
