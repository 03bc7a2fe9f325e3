"""Images and texts in one space: CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from curalab._check import FloatArray, check_integer
from curalab.encoders._dual import encoded, features, images_of, tokens_of
from curalab.encoders._pretrained import Family, Loaded, Origin, find, load

__all__ = ["CLIP"]

_FAMILY = Family("clip", "image", ("clip",))


@dataclass(frozen=True, kw_only=True)
class CLIP:
    """CLIP: images and texts in one space, learned from captioned images.

    ``embed(images, encoder="clip")`` and ``embed(texts, encoder="clip")`` compare: the text
    nearest to an image describes it best. Texts are read up to their first 77 tokens, English.
    512 dimensions, unit length.

    Parameters
    ----------
    model : str, default="openai/clip-vit-base-patch32"
        The name of a CLIP model on the hub, or a folder that holds one. A name is looked for in
        the local hub cache, then fetched from the hub (0.6 GB); `origin` says which it was.
        Nothing takes its place.
    device : str, default="auto"
        Where torch computes; "auto" takes CUDA where there is some, in half precision.
    batch_size : int, default=64
        Images or texts encoded at a time.

    Notes
    -----
    It takes texts where the rows are strings, and images where they are PIL images, arrays, Path
    objects, or strings that end as image files do. Images come as the model's own
    preprocessor_config.json wants them. Similarities of an image to texts lie far below those of
    images to images: compare each with its like. As classes, "a photo of a cat" works better
    than "cat".

    References
    ----------
    .. [1] Radford, Kim, Hallacy et al. (2021), "Learning Transferable Visual Models From Natural
       Language Supervision", ICML.
    """

    takes: ClassVar[tuple[str, ...]] = ("image", "text")
    extra: ClassVar[str] = "compares images with texts: pip install 'curalab[image]'"
    cost: ClassVar[str] = "about 10 minutes for 10,000 images on 2 cores"

    model: str = "openai/clip-vit-base-patch32"
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
    tokens = tokens_of(known, batch, longest=longest)
    made = known.model.get_text_features(
        input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
    )
    return features(made)
