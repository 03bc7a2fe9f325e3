"""Images by a small network that learns to know an image again, cropped and recoloured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from curalab._check import AnyArray, FloatArray, IntArray, check_integer, check_real
from curalab._networks import (
    Weights,
    begun,
    generator_of,
    layers,
    loaded,
    pick_device,
    shuffled,
    train,
    weights_of,
)
from curalab.encoders._contract import refuse_unfitted
from curalab.encoders._images import frame_for, pixels
from curalab.encoders.patches import Patches

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

__all__ = ["Contrastive"]

_LOOK_AT = 200  # images whose sizes and colours decide the frame
_FIT_ON = 50_000  # images that are learned from
_SCALE_ON = 4_000  # images that the mean and the spread come from
_WIDTHS = (48, 96, 192)
_RATE = 2e-3
_TINY = 1e-3


@dataclass(frozen=True, kw_only=True)
class Contrastive:
    """A small convolutional network trained to find the other view of the same image (SimCLR).

    Learns from the images at hand what stays the same however they are cropped, mirrored and
    recoloured; so it is wrong where that is the question (text, left and right hands, ripeness).

    Parameters
    ----------
    size : int, default=None
        Images are resized to `size` x `size` pixels. None keeps images that are all of one size
        up to 64 pixels as they are, and resizes others to 32 x 32.
    n_steps : int, default=2000
        Batches that are learned from, so that the time does not depend on the number of images.
        0 leaves the network as it was drawn: the baseline that training has to beat.
    temperature : float, default=0.3
        Of the loss. Lower looks more at the images that are most alike.
    avoid_clusters : int, default=None
        Number of clusters; no two images of a batch are of the same one, so that images of one
        kind are not pushed apart (G-SimCLR). A batch holds at most that many images: take some
        hundreds, far more than there are kinds. None draws batches from all images.
    device : str, default="auto"
        Where torch computes; "auto" takes CUDA where there is some.
    batch_size : int, default=256
        Images in a batch: as many others to tell an image from.

    Notes
    -----
    Three convolutions (48, 96 and 192 channels), each with batch normalisation, and the mean
    over the image, instead of a ResNet-50: minutes on a CPU. Views are windows of a fifth of the
    area or more, mirrored in half of the cases, with random brightness, contrast, saturation and
    hue, and grey in a fifth; no blur, as in the paper's runs on small images. Every view is
    recoloured (in the paper 4 of 5), and the optimiser is AdamW instead of LARS. The vectors are
    the network's output, not the projection head's; each number is standardised by the images of
    the fit, the vector has unit length, and a tiny constant coordinate gives an image that equals
    the mean a direction. At most 50,000 images, drawn at random, are learned from.

    The clusters of G-SimCLR are of `Patches` by k-means; the paper's are of an autoencoder that
    is trained first.

    With 4,000 images of CIFAR-10 and 500 steps (1.5 minutes on 2 cores) a linear head is right on
    52 % of 1,000 test images (44 % untrained) and 10 neighbours on 44 % (34 %); `Patches` reaches
    62 % and 55 % in seconds. Where there is no GPU and no hour to train, take that. Clusters have
    not helped so far: with 2,000 images and 250 steps 48 % and 40 % (400 clusters), 51 % and 41 %
    without.

    References
    ----------
    .. [1] Chen, Kornblith, Norouzi, Hinton (2020), "A Simple Framework for Contrastive Learning
       of Visual Representations", ICML. arXiv:2002.05709.
    .. [2] Chakraborty, Gosthipaty, Paul (2020), "G-SimCLR: Self-Supervised Contrastive Learning
       with Guided Projection via Pseudo Labelling", ICDM Workshops. arXiv:2009.12007.
    """

    takes: ClassVar[str] = "image"
    cost: ClassVar[str] = "about 6 minutes to train on 2 cores, however many images"

    size: int | None = None
    n_steps: int = 2_000
    temperature: float = 0.3
    avoid_clusters: int | None = None
    device: str = "auto"
    batch_size: int = 256
    fitted: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.size is not None:
            check_integer("size", self.size, low=8, high=1_024)
        check_integer("n_steps", self.n_steps, low=0)
        check_real("temperature", self.temperature, low=0.01, high=10)
        if self.avoid_clusters is not None:
            check_integer("avoid_clusters", self.avoid_clusters, low=2)
        check_integer("batch_size", self.batch_size, low=1)

    def fit(self, data: Sequence[Image], *, rng: np.random.Generator) -> Contrastive:
        """Return an encoder whose network has learned from `data`."""
        from tqdm.auto import tqdm

        rows = rng.permutation(len(data))[:_FIT_ON]
        frame = frame_for((data[int(i)] for i in rows[:_LOOK_AT]), self.size)
        bar = tqdm(np.sort(rows), desc="open images", delay=2, disable=None)
        images = np.concatenate([pixels([data[int(i)]], **frame) for i in bar])
        batches = self._batches(images, rng)
        weights = self._trained(images, batches, generator_of(rng))
        made = replace(self, fitted=_Learned(frame, weights))
        size = self.batch_size
        known = images[:: -(-len(images) // _SCALE_ON)]
        parts = [made._features(known[i : i + size]) for i in range(0, len(known), size)]
        features = np.concatenate(parts)
        spread = features.std(axis=0)
        centre = features.mean(axis=0) if spread.any() else np.zeros_like(spread)
        scale = np.where(spread > 1e-6, spread, 1)
        return replace(made, fitted=_Learned(frame, weights, centre, scale))

    def encode(self, batch: Sequence[Image]) -> FloatArray:
        """Return vectors of unit length, shape (b, 193)."""
        refuse_unfitted(self)
        known: _Learned = self.fitted
        vectors = (self._features(pixels(batch, **known.frame)) - known.centre) / known.scale
        vectors = np.hstack([vectors, np.full((len(vectors), 1), _TINY, dtype=np.float32)])
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def _features(self, images: AnyArray) -> FloatArray:
        import torch

        device = pick_device(self.device)
        network = loaded(lambda: _network(images.shape[3]), self.fitted.weights, device)
        with torch.inference_mode():
            return np.asarray(network(_numbers(images, device)).cpu().numpy())

    def _batches(self, images: AnyArray, rng: np.random.Generator) -> Iterator[IntArray]:
        if self.avoid_clusters is None:
            return shuffled(len(images), self.batch_size, rng)
        clusters = _clusters(images, self.avoid_clusters, self.device, rng)
        return _apart(clusters, self.batch_size, rng)

    def _trained(
        self, images: AnyArray, batches: Iterator[IntArray], seed: torch.Generator
    ) -> Weights:
        import torch

        device = pick_device(self.device)
        network = begun(lambda: _network(images.shape[3]), seed).to(device)
        head = begun(lambda: layers(_WIDTHS[-1], _WIDTHS[-1], 64), seed).to(device)

        def loss_of(rows: IntArray) -> torch.Tensor:
            x = _numbers(images[rows], device)
            views = torch.cat([_view(x, seed), _view(x, seed)])
            return _nt_xent(head(network(views)), self.temperature)

        made = [network, head]
        train(made, loss_of, batches, self.n_steps, rate=_RATE, name="contrastive")
        _settle(network, images, self.batch_size)
        return weights_of(network)


@dataclass(frozen=True, eq=False)
class _Learned:
    """The frame of the images, the weights, and the mean and spread of the features."""

    frame: dict[str, Any]
    weights: Weights
    centre: FloatArray = field(default_factory=lambda: np.zeros(0))
    scale: FloatArray = field(default_factory=lambda: np.zeros(0))


def _network(channels: int) -> torch.nn.Module:
    from torch import nn

    parts: list[nn.Module] = []
    for at, (n_in, n_out) in enumerate(zip((channels, *_WIDTHS), _WIDTHS, strict=False)):
        # The first looks at every second pixel: most of the time would go there.
        side, step = (3, 1) if at else (5, 2)
        parts += [nn.MaxPool2d(2)] if at else []
        parts += [nn.Conv2d(n_in, n_out, side, stride=step, padding=side // 2, bias=False)]
        parts += [nn.BatchNorm2d(n_out), nn.ReLU()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _numbers(images: AnyArray, device: torch.device) -> torch.Tensor:
    """Return images (b, h, w, c) of bytes as numbers from 0 to 1, shape (b, c, h, w)."""
    import torch

    # Only seen as (b, c, h, w): convolutions on a CPU are faster with channels last.
    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float().div_(255)


def _settle(network: torch.nn.Module, images: AnyArray, size: int) -> None:
    """Take the batch norms' statistics from images as they are; they saw views, or nothing yet."""
    import torch

    device = next(network.parameters()).device
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None  # the mean over all batches
    known = images[:: -(-len(images) // _SCALE_ON)]
    with torch.no_grad():
        for start in range(0, max(1, len(known) - size + 1), size):  # whole batches weigh the same
            x = _numbers(known[start : start + size], device)
            network.train()(torch.cat([x, x]) if len(x) == 1 else x)  # one has no variance


# ---- views and loss ------------------------------------------------------------------------------


def _view(x: torch.Tensor, seed: torch.Generator) -> torch.Tensor:
    """Return each image (b, c, h, w) cropped, perhaps mirrored, and recoloured."""
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    def draw(low: float, high: float) -> torch.Tensor:
        drawn = torch.rand(len(x), generator=seed).mul_(high - low).add_(low)
        return drawn.to(x.device)[:, None, None, None]

    area, ratio = draw(0.2, 1), torch.exp(draw(math.log(3 / 4), math.log(4 / 3)))
    width, height = ((area * r).sqrt().clamp(max=1) for r in (ratio, 1 / ratio))
    left, up = draw(-1, 1) * (1 - width), draw(-1, 1) * (1 - height)
    flip, none = draw(-1, 1).sign(), torch.zeros_like(area)
    window = torch.cat([width * flip, none, left, none, height, up], dim=1).view(-1, 2, 3)
    at = affine_grid(window, list(x.shape), align_corners=False)
    x = grid_sample(x, at, padding_mode="border", align_corners=False)
    if x.shape[1] == 3:
        # Saturation and hue: the colour's distance from grey, and its angle around it.
        grey, angle = x.mean(dim=1, keepdim=True), draw(-0.2 * math.pi, 0.2 * math.pi)
        turned = (x.roll(1, dims=1) - x.roll(-1, dims=1)) * angle.sin() / 3**0.5
        saturation = draw(0.6, 1.4) * (draw(0, 1) > 0.2)
        x = grey + saturation * ((x - grey) * angle.cos() + turned)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * draw(0.6, 1.4) + mean * draw(0.6, 1.4)


def _nt_xent(z: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the loss of telling each view's partner from the views of all other images."""
    import torch
    from torch.nn.functional import cross_entropy, normalize

    z = normalize(z)
    n = len(z)
    similarity = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    return cross_entropy(similarity, torch.arange(n, device=z.device).roll(n // 2))


# ---- batches without two members of one cluster --------------------------------------------------


def _clusters(images: AnyArray, k: int, device: str, rng: np.random.Generator) -> IntArray:
    from PIL import Image
    from sklearn.cluster import MiniBatchKMeans

    opened = [Image.fromarray(image.squeeze()) for image in images]
    patches = Patches(device=device).fit(opened, rng=rng)
    starts = range(0, len(opened), patches.batch_size)
    vectors = [patches.encode(opened[i : i + patches.batch_size]) for i in starts]
    seed = int(rng.integers(2**31))
    made = MiniBatchKMeans(min(k, len(images)), n_init=1, random_state=seed)
    return np.asarray(made.fit_predict(np.concatenate(vectors)))


def _apart(clusters: IntArray, size: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """Yield batches of rows of different clusters, `size` or as many as there are clusters."""
    while True:
        order = rng.permutation(len(clusters))
        _, first = np.unique(clusters[order], return_index=True)
        yield order[np.sort(first)[:size]]
