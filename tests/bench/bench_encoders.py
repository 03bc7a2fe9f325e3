"""Encoders: does what can be said without labels order them as a probe with labels does?"""

from __future__ import annotations

import io
import os
import time
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
NUMBERS = ["separability", "contrast", "spread", "spread_entropy", "local_dimension", "hubness"]


def bench_health(quick):
    """Rank correlation of each label-free number with the probe's accuracy over encoders.

    Good, weak and broken encoders of three sets. `contrast` is the persistence over its maximum
    alone, `pick` the encoder that the number puts first and `probe_of_pick` its accuracy.
    """
    from scipy.stats import spearmanr

    from curalab.encoders import health
    from curalab.encoders._compare import compare_encoders

    rows = []
    for name, (data, labels, encoders) in _sets(quick).items():
        made = {encoder: _made(data, how) for encoder, how in encoders.items()}
        board = compare_encoders(data, made, labels=labels, random_state=0)
        board["contrast"] = [
            health.separability(made[n], random_state=0).contrast for n in board.index
        ]
        for number in NUMBERS:
            pick = board[number].idxmax()
            rows.append(
                {
                    "set": name,
                    "encoders": len(board),
                    "number": number,
                    "spearman": spearmanr(board["probe_accuracy"], board[number])[0],
                    "pick": pick,
                    "probe_of_pick": board.loc[pick, "probe_accuracy"],
                    "best": board.index[0],
                    "probe_of_best": board["probe_accuracy"].iloc[0],
                }
            )
    return rows


def bench_images(quick):
    """Accuracy of a linear probe on images, against HOG with colour and against no training.

    CIFAR-10: 10,000 images to learn from, 4,996 to test on. TrashNet: five folds.
    """
    import curalab as cl
    from curalab.encoders import Contrastive

    rows = []
    for name, (images, labels, is_test) in _image_sets(quick).items():
        steps = 50 if quick else 2_000
        encoders = {
            "hog and colours": partial(_hog_and_colours, by_cell=False),
            "hog and colours by cell": partial(_hog_and_colours, by_cell=True),
            "patches": "patches",
            "contrastive, untrained": Contrastive(n_steps=0),
            "contrastive": Contrastive(n_steps=steps),
        }
        for encoder, made in encoders.items():
            began = time.perf_counter()
            if callable(made):
                x = np.array([made(image) for image in images])
            elif is_test.any():
                own = cl.embed(images[~is_test], encoder=made, cache=False, random_state=0)
                x = np.asarray(cl.embed(images, encoder=own.encoder, cache=False))
            else:
                x = np.asarray(cl.embed(images, encoder=made, cache=False, random_state=0))
            seconds = time.perf_counter() - began
            accuracy = _linear_probe(x, labels, is_test)
            rows.append({"set": name, "encoder": encoder, "probe": accuracy, "seconds": seconds})
    return rows or [{"set": "no benchmark data"}]


def _image_sets(quick):
    """Return images, labels, and which rows are for the test (none: five folds), by name."""
    folder = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
    sets = {}
    for name in ("cifar10_shared", "trashnet6"):
        path = folder / name / "images.zip"
        if path.is_file():
            images, labels = _cifar(path, 400 if quick else None)
            is_test = images.index.str.startswith("test/")
            sets[name] = images.reset_index(drop=True), pd.factorize(labels)[0], is_test
    return sets


def _hog_and_colours(image, *, by_cell):
    """Return gradients by direction, and colours: a histogram of all, or by sixteen cells."""
    from PIL import Image
    from skimage.feature import hog

    small = np.asarray(Image.fromarray(image).resize((32, 32)))
    gradients = hog(small, pixels_per_cell=(8, 8), cells_per_block=(2, 2), channel_axis=2)
    if by_cell:
        cells = small.reshape(4, 8, 4, 8, 3).swapaxes(1, 2).reshape(16, 64, 3)
        colours = np.r_[cells.mean(axis=1).ravel(), cells.std(axis=1).ravel()] / 255
    else:
        bands = small.reshape(-1, 3).T
        colours = np.concatenate([np.histogram(b, 16, (0, 256))[0] for b in bands]) / 1_024
    return np.concatenate([gradients, colours])


def _linear_probe(x, y, is_test):
    """Return the accuracy of logistic regression, its penalty chosen within the training rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    probe = GridSearchCV(model, {"logisticregression__C": [0.003, 0.03, 0.3]}, cv=3)
    if not is_test.any():
        return cross_val_score(probe, x, y, cv=5).mean()
    return probe.fit(x[~is_test], y[~is_test]).score(x[is_test], y[is_test])


def _made(data, how):
    import curalab as cl

    if isinstance(how, cl.Embedding):
        return how
    return cl.embed(data, encoder=how, cache=False, random_state=0)


def _sets(quick):
    """Return data, labels and encoders (or embeddings) by the name of the set."""
    import curalab as cl

    digits = cl.samples.digits().sample(300 if quick else 1_000, random_state=0)
    sets = {"digits": (digits["image"], digits["label"], _of_images(digits["image"]))}
    folder = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
    if (folder / "banking77").is_dir():
        items = pd.read_parquet(folder / "banking77" / "train.parquet")
        items = items.sample(400 if quick else 1_500, random_state=0)
        sets["banking77"] = (items["text"], items["label"], _of_texts(items["text"]))
    if (folder / "cifar10_shared").is_dir():
        images, labels = _cifar(folder / "cifar10_shared" / "images.zip", 300 if quick else 1_000)
        sets["cifar10_shared"] = (images, labels, _of_images(images))
    return sets


def _cifar(path, n):
    from PIL import Image

    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg"))]
        names = np.random.default_rng(0).permutation(names)[:n]
        images = [np.asarray(Image.open(io.BytesIO(archive.read(i))).convert("RGB")) for i in names]
    return pd.Series(images, index=names), pd.Series(
        [name.split("/")[-2] for name in names], index=names
    )


def _of_images(images):
    import curalab as cl

    rng, n = np.random.default_rng(0), len(images)
    pixels = np.stack(images.tolist()).reshape(n, -1).astype(float)
    d = pixels.shape[1]
    own = {
        "pixels": pixels,
        "random_projection_2": pixels @ rng.normal(size=(d, 2)),
        "random_projection_8": pixels @ rng.normal(size=(d, 8)),
        "random_projection_64": pixels @ rng.normal(size=(d, 64)),
        "pixels_and_noise": pixels + 2 * pixels.std() * rng.normal(size=pixels.shape),
        "collapsed": np.outer(pixels.mean(axis=1), rng.normal(size=64))
        + 1e-3 * pixels @ rng.normal(size=(d, 64)) / d**0.5,
        "random": rng.normal(size=(n, 64)),
    }
    return {
        "patches": "patches",
        "patches_few": cl.encoders.Patches(n_patches=16, n_components=16),
        **_euclidean(own, images.index),
    }


def _of_texts(texts):
    import importlib.util

    import curalab as cl

    rng, n = np.random.default_rng(0), len(texts)
    words = {word: rng.normal(size=64) for word in sorted(set(" ".join(texts).lower().split()))}
    meant = [np.mean([words[word] for word in text.lower().split()], axis=0) for text in texts]
    tfidf = cl.embed(texts, encoder="tfidf", cache=False, random_state=0).vectors
    own = {
        "lengths": np.c_[texts.str.len(), texts.str.count(" "), texts.str.count("e")],
        "tfidf_and_noise": tfidf + 2 * tfidf.std() * rng.normal(size=tfidf.shape),
        "random_words": np.array(meant),
        "random": rng.normal(size=(n, 64)),
    }
    minilm = {"minilm": "minilm"} if importlib.util.find_spec("sentence_transformers") else {}
    return {
        **minilm,
        "tfidf": "tfidf",
        "tfidf_16": cl.encoders.TfIdf(n_components=16),
        "tfidf_4": cl.encoders.TfIdf(n_components=4),
        **_euclidean(own, texts.index),
    }


def _euclidean(vectors, ids):
    import curalab as cl

    return {
        name: cl.Embedding(vectors=x, ids=ids, metric="euclidean") for name, x in vectors.items()
    }
