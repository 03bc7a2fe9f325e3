"""Sounds and texts in one space: CLAP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from curalab._check import FloatArray, check_integer
from curalab.encoders._dual import encoded, features, tokens_of
from curalab.encoders._pretrained import Family, Loaded, Origin, find, load, quiet
from curalab.encoders._sounds import pieces

__all__ = ["CLAP"]

_TOGETHER = 16  # pieces
_FAMILY = Family("clap", "audio", ("clap",))


@dataclass(frozen=True, kw_only=True)
class CLAP:
    """CLAP: sounds and texts in one space, learned from captioned sounds.

    ``embed(sounds, encoder="clap")`` and ``embed(texts, encoder="clap")`` compare. Hears what
    makes a sound (a dog, rain, a violin), not what is said. 512 dimensions, unit length.

    Parameters
    ----------
    model : str, default="laion/clap-htsat-unfused"
        The name of a CLAP model on the hub, or a folder that holds one. A name is looked for in
        the local hub cache, then fetched from the hub (0.6 GB); `origin` says which it was.
        Nothing takes its place.
    device : str, default="auto"
        Where torch computes; "auto" takes CUDA where there is some, in half precision.
    batch_size : int, default=16
        Sounds or texts encoded at a time.

    Notes
    -----
    It takes sounds, and texts where the rows are strings that do not end in ".wav". Sounds are
    brought to the model's own rate; without a rate they are taken to have it. Where transformers
    hears ten seconds drawn at random of a longer sound, all pieces of ten seconds are heard here
    and their vectors averaged, each by its length, so that the same sound has the same vector.

    References
    ----------
    .. [1] Wu, Chen, Zhang, Hui, Berg-Kirkpatrick, Dubnov (2023), "Large-Scale Contrastive
       Language-Audio Pretraining with Feature Fusion and Keyword-to-Caption Augmentation", ICASSP.
    """

    takes: ClassVar[tuple[str, ...]] = ("audio", "text")
    extra: ClassVar[str] = "compares sounds with texts: pip install 'curalab[audio]'"
    cost: ClassVar[str] = "about 3 minutes for 1,000 sounds of ten seconds on 2 cores"

    model: str = "laion/clap-htsat-unfused"
    device: str = "auto"
    batch_size: int = 16

    def __post_init__(self) -> None:
        check_integer("batch_size", self.batch_size, low=1)

    @property
    def origin(self) -> Origin:
        """The model's name, where it came from, its revision and a hash of its files."""
        return find(self.model, _FAMILY)[1]

    def encode(self, batch: Sequence[Any]) -> FloatArray:
        """Return vectors of unit length, shape (b, d)."""
        known = load(self.model, _FAMILY, self.device)
        return encoded(known, batch, texts=_texts, others=_sounds)


def _sounds(known: Loaded, batch: Sequence[Any]) -> Any:
    import torch
    from transformers import AutoFeatureExtractor

    with quiet():
        make = AutoFeatureExtractor.from_pretrained(  # type: ignore[no-untyped-call]
            known.folder, local_files_only=True
        )
    sounds = [sound.at(make.sampling_rate) for sound in batch]
    total = [torch.zeros(1)] * len(batch)
    for owners, block in pieces(
        sounds, at_most=make.nb_max_samples, at_least=1, together=_TOGETHER
    ):
        heard = make(list(block), sampling_rate=make.sampling_rate, return_tensors="pt")
        made = known.model.get_audio_features(
            input_features=known.numbers(heard["input_features"]),
            # Some models draw one to be "longer" where none is; here none ever is.
            is_longer=torch.zeros_like(heard["is_longer"]),
        )
        vectors = torch.nn.functional.normalize(features(made).float().cpu(), dim=1)
        for owner, vector in zip(owners, vectors, strict=True):
            total[owner] = total[owner] + vector * block.shape[1]
    return torch.stack(total)


def _texts(known: Loaded, batch: Sequence[str]) -> Any:
    text = known.model.config.text_config
    longest = text.max_position_embeddings - text.pad_token_id - 1
    tokens = tokens_of(known, batch, longest=longest)
    made = known.model.get_text_features(
        input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
    )
    return features(made)
