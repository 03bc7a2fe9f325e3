"""Speech by how it sounds: wav2vec 2.0 and its kin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import FloatArray, check_integer
from curalab.encoders._pretrained import Family, Origin, find, load, settings_of, unit
from curalab.encoders._sounds import Sound, pieces

__all__ = ["Wav2Vec2"]

_FAMILY = Family("wav2vec2", "audio", ("wav2vec2", "hubert", "wavlm"))
_SECONDS = 20  # heard at a time; the time it takes grows with the square
_RATE = 16_000  # where the model does not say


@dataclass(frozen=True, kw_only=True)
class Wav2Vec2:
    """wav2vec 2.0, a transformer that learned from speech alone; the mean over time.

    Hears what is said and who says it; music and noises less (see ``clap``). 768 dimensions, unit
    length.

    Parameters
    ----------
    model : str, default="facebook/wav2vec2-base"
        The name of a wav2vec 2.0, HuBERT or WavLM model on the hub, or a folder that holds one. A
        name is looked for in the local hub cache, then fetched from the hub (0.4 GB); `origin`
        says which it was. Nothing takes its place.
    device : str, default="auto"
        Where torch computes; "auto" takes CUDA where there is some, in half precision.
    batch_size : int, default=16
        Sounds read at a time. Those of one length are encoded together.

    Notes
    -----
    The vector is the mean of the last layer over all moments. Sounds are brought to the rate of
    the model's own preprocessor_config.json, and to mean 0 and deviation 1 where it says so;
    without a rate they are taken to have it. One longer than 20 seconds is heard in pieces.

    References
    ----------
    .. [1] Baevski, Zhou, Mohamed, Auli (2020), "wav2vec 2.0: A Framework for Self-Supervised
       Learning of Speech Representations", NeurIPS.
    """

    takes: ClassVar[str] = "audio"
    extra: ClassVar[str] = "knows speech: pip install 'curalab[audio]'"
    cost: ClassVar[str] = "about a minute for 10 minutes of sound on 2 cores"

    model: str = "facebook/wav2vec2-base"
    device: str = "auto"
    batch_size: int = 16

    def __post_init__(self) -> None:
        check_integer("batch_size", self.batch_size, low=1)

    @property
    def origin(self) -> Origin:
        """The model's name, where it came from, its revision and a hash of its files."""
        return find(self.model, _FAMILY)[1]

    def encode(self, batch: Sequence[Sound]) -> FloatArray:
        """Return vectors of unit length, shape (b, d)."""
        import torch

        known = load(self.model, _FAMILY, self.device)
        told = settings_of(known.folder, "feature_extractor")
        rate = int(told.get("sampling_rate", _RATE))
        levelled = told.get("do_normalize", True)
        sounds = [_levelled(s.at(rate)) if levelled else s.at(rate) for s in batch]
        total = [torch.zeros(1)] * len(batch)
        for owners, block in pieces(
            sounds,
            at_most=_SECONDS * rate,
            at_least=_field(known.model.config),
            together=self.batch_size,
        ):
            with torch.inference_mode():
                heard = known.model(input_values=known.numbers(block)).last_hidden_state
            for owner, moments in zip(owners, heard.float().cpu(), strict=True):
                total[owner] = total[owner] + moments.sum(dim=0)
        return np.asarray(unit(torch.stack(total)))


def _levelled(samples: FloatArray) -> FloatArray:
    return np.asarray((samples - samples.mean()) / np.sqrt(samples.var() + np.float32(1e-7)))


def _field(config: Any) -> int:
    """Return the samples that the model needs to hear one moment."""
    width = 1
    for kernel, stride in zip(config.conv_kernel[::-1], config.conv_stride[::-1], strict=True):
        width = (width - 1) * stride + kernel
    return width
