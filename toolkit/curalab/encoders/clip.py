"""Images and texts in one space: CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from curalab.encoders._dual import Dual, features, images_of, tokens_of
from curalab.encoders._pretrained import Family, Loaded

__all__ = ["CLIP"]


@dataclass(frozen=True, kw_only=True)
class CLIP(Dual):
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
    family: ClassVar[Family] = Family("clip", "image", ("clip",))
    extra: ClassVar[str] = "compares images with texts: pip install 'curalab[image]'"
    cost: ClassVar[str] = "about 10 minutes for 10,000 images on 2 cores"

    model: str = "openai/clip-vit-base-patch32"

    def _others(self, known: Loaded, batch: Sequence[Any]) -> Any:
        return images_of(known, batch)

    def _texts(self, known: Loaded, batch: Sequence[str]) -> Any:
        longest = known.model.config.text_config.max_position_embeddings
        tokens = tokens_of(known, batch, longest=longest)
        made = known.model.get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
        return features(made)
