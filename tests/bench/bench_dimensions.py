"""Clusterers on latents of growing dimension: which of them survives?"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
N_CLASSES = 10
N_STEPS = 2_000


def bench_latents(quick):
    """Digits as latent means of a variational autoencoder with 2 to 64 dimensions; ARI.

    The question of MNIST-Nd (Turishcheva et al. 2024, arXiv:2410.16124). There the prior is a
    mixture; here it is normal, and its weight falls with the dimension as there: 2 / dimension.
    "knn" is the share of digits that 10 neighbours tell: where it stays and ARI falls, the
    clusterer is lost, not the latent. "free" is told nothing, "told" the number of classes;
    "noise" and "seconds" are of "free" where there is one.
    """
    images, digits = images_of(quick)
    if images is None:
        return [{"dimension": 0, "method": f"no benchmark data in {data()}"}]
    rows = []
    for dimension in (2, 8, 64) if quick else (2, 4, 8, 16, 32, 64):
        latent = latent_means(images, dimension)
        shown = {"dimension": dimension, "knn": knn_accuracy(latent, digits)}
        for name, free, told in contenders(latent):
            rows.append({**shown, "method": name, **scores(digits, free, told)})
    return rows


def data():
    """Return the folder of the benchmark data."""
    return Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def images_of(quick):
    """Return images as rows from 0 to 1, and their digits; None where there are none."""
    path = data() / "mnist_t10k" / "mnist_t10k.npz"
    if not path.exists():
        return None, None
    held = np.load(path)
    drawn = np.random.default_rng(0).permutation(len(held["y"]))[: 3_000 if quick else None]
    return held["X"][drawn].reshape(len(drawn), -1).astype(np.float32) / 255, held["y"][drawn]


def latent_means(images, dimension):
    """Train a variational autoencoder and return its mean latent of each image."""
    import torch

    from curalab._networks import begun, generator_of, layers, shuffled, train

    rng = np.random.default_rng(0)
    seed, pixels = generator_of(rng), torch.from_numpy(images)
    encoder = begun(lambda: layers(pixels.shape[1], 512, 256, 2 * dimension), seed)
    decoder = begun(lambda: layers(dimension, 256, 512, pixels.shape[1]), seed)

    def loss_of(rows):
        shown = pixels[rows]
        mean, spread = encoder(shown).chunk(2, dim=1)  # spread: the logarithm of the variance
        noise = torch.randn(mean.shape, generator=seed)
        told = decoder(mean + noise * (spread / 2).exp())
        missed = torch.nn.functional.binary_cross_entropy_with_logits(told, shown, reduction="sum")
        strayed = (mean**2 + spread.exp() - spread - 1).sum() / 2
        return (missed + 2 / dimension * strayed) / len(shown)

    batches = shuffled(len(images), 128, rng)
    train([encoder, decoder], loss_of, batches, N_STEPS, rate=1e-3, name="autoencoder")
    with torch.no_grad():
        return encoder(pixels)[:, :dimension].numpy()


def knn_accuracy(latent, digits):
    """Return the share of rows whose 10 nearest neighbours vote for their digit."""
    import curalab as cl

    near = cl.Embedding(vectors=latent, metric="euclidean").neighbors(10).indices
    votes = (digits[near][:, :, None] == np.arange(N_CLASSES)).sum(axis=1)
    return float((votes.argmax(axis=1) == digits).mean())


def contenders(latent):
    """Return name, clustering told nothing, and told the number; None where there is none."""
    import hdbscan
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture

    import curalab as cl
    from curalab import clusters

    def own(method):
        emb = cl.Embedding(vectors=latent, metric="euclidean")  # anew: neighbours are in the time
        return lambda: cl.cluster(emb, method=method, random_state=0).labels

    yield "the default", own(clusters.DEFAULTS), None
    for method in (clusters.Spectral, clusters.Agglomerative, clusters.KMeans):
        yield method.__name__.lower(), own(method()), own(method(n_clusters=N_CLASSES))
    yield "hdbscan", own("hdbscan"), None
    yield "leiden", own("leiden"), None
    kmeans = KMeans(N_CLASSES, n_init=3, random_state=0)
    mixture = GaussianMixture(N_CLASSES, n_init=2, random_state=0)
    yield "sklearn KMeans", None, lambda: kmeans.fit_predict(latent)
    yield "sklearn GaussianMixture", None, lambda: mixture.fit_predict(latent)
    yield "hdbscan package, 15", lambda: hdbscan.HDBSCAN(15).fit_predict(latent), None


def scores(digits, free, told):
    """Return ARI told nothing and told the number, clusters found, noise share and seconds."""
    from sklearn.metrics import adjusted_rand_score

    from curalab import MissingExtraError

    began = time.perf_counter()
    try:
        labels = (free or told)()
    except MissingExtraError as error:
        return {"note": str(error)}
    seconds = time.perf_counter() - began
    found = {"free": adjusted_rand_score(digits, labels)} if free else {}
    if told:
        found["told"] = adjusted_rand_score(digits, told() if free else labels)
    found["n_clusters"] = int(labels.max() + 1)
    return {**found, "noise": float((labels < 0).mean()), "seconds": seconds}
