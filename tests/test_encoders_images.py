"""Images of every kind, and patches."""

import gc
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from curalab.encoders import Patches, embed
from curalab.encoders._images import Images, pixels
from curalab.items._images import opened
from curalab.samples import digits

RNG = np.random.default_rng(0)
GREY = RNG.integers(256, size=(9, 12), dtype=np.uint8)
COLOUR = RNG.integers(256, size=(9, 12, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Means:
    """Mean of each channel."""

    takes: ClassVar[str] = "image"

    def encode(self, batch):
        return [np.asarray(image.convert("RGB")).mean(axis=(0, 1)) + 1 for image in batch]


def encoded(image, kind="PNG", **settings):
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def array_of(item):
    image = opened(item)
    assert image.mode in ("L", "RGB")
    return np.asarray(image)


# ---- one image -----------------------------------------------------------------------------------


def test_paths_pictures_and_arrays_are_the_same(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(COLOUR).save(path)
    same = [path, str(path), Image.open(path), Image.fromarray(COLOUR), COLOUR, COLOUR / 255.0]
    same += [COLOUR.astype(np.int64), COLOUR.astype(np.uint16) * 257]
    for item in same:
        assert np.array_equal(array_of(item), COLOUR)
    assert np.allclose(embed(same, encoder=Means()).vectors, COLOUR.mean(axis=(0, 1)) + 1)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (GREY, GREY),
        (GREY[:, :, None], GREY),
        (GREY > 127, np.where(GREY > 127, 255, 0)),
        (Image.fromarray(GREY > 127), np.where(GREY > 127, 255, 0)),
        (GREY / np.float32(255), GREY),
        (Image.fromarray(GREY.astype(np.uint16) * 257), GREY),
        (Image.fromarray(GREY.astype(np.int32)), GREY),
        (Image.fromarray(GREY / np.float32(255)), GREY),
        (Image.merge("LA", [Image.fromarray(GREY), Image.new("L", (12, 9), 255)]), GREY),
        (Image.merge("LA", [Image.fromarray(GREY), Image.new("L", (12, 9), 0)]), GREY * 0 + 255),
        (np.dstack([COLOUR, np.full((9, 12), 255, np.uint8)]), COLOUR),
        (np.dstack([COLOUR, np.zeros((9, 12), np.uint8)]), COLOUR * 0 + 255),
        (Image.new("CMYK", (2, 3), (0, 255, 255, 0)), np.full((3, 2, 3), [255, 0, 0])),
        (Image.new("HSV", (2, 3), (0, 255, 255)), np.full((3, 2, 3), [255, 0, 0])),
        (Image.new("RGB", (2, 3), (0, 0, 255)).quantize(4), np.full((3, 2, 3), [0, 0, 255])),
    ],
)
def test_every_kind_of_image_becomes_grey_or_rgb(item, expected):
    assert np.array_equal(array_of(item), expected)


def test_half_transparent_pixels_are_laid_on_white():
    black = Image.new("RGBA", (2, 2), (0, 0, 0, 51))  # a fifth
    assert (array_of(black) == 204).all()


def test_palette_with_a_transparent_colour(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 255, 255, 0, 0])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "image.png", transparency=0)
    assert array_of(tmp_path / "image.png").tolist() == [[[255, 255, 255], [255, 0, 0]]]


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert (array_of(tmp_path / "moving.gif") == [255, 0, 0]).all()


def test_photographs_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    Image.fromarray(COLOUR).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(array_of(tmp_path / "turned.png"), np.rot90(COLOUR, -1))


def test_an_image_its_owner_has_not_loaded_stays_so():
    lazy = Image.open(io.BytesIO(encoded(Image.fromarray(COLOUR))))
    assert np.array_equal(array_of(lazy), COLOUR)
    embed([lazy], encoder=Means(), cache=False)
    assert lazy.tile
    assert np.array_equal(np.asarray(lazy), COLOUR)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (None, "no image"),
        (np.nan, "no image"),
        (7, "not an image but 7"),
        (np.zeros((3, 9, 9)), "shape (3, 9, 9) instead of (h, w), (h, w, 3) or (h, w, 4)"),
        (np.zeros((0, 9)), "shape (0, 9) instead of (h, w), (h, w, 3) or (h, w, 4)"),
        (np.full((4, 4), 16.0), "floats from 16 to 16 instead of 0 to 1"),
        (np.full((4, 4), np.nan), "floats from nan to nan instead of 0 to 1"),
        (np.full((4, 4), 300), "integers from 300 to 300 instead of 0 to 255"),
        (np.full((4, 4), 1j), "dtype complex128 instead of numbers"),
    ],
)
def test_what_is_no_image_has_a_reason(item, reason):
    assert Images([item], pd.Index(["x"])).unreadable() == {0: reason}


# ---- many images ---------------------------------------------------------------------------------


def test_unreadable_images_are_reported_all_together(tmp_path):
    whole = encoded(Image.fromarray(np.tile(GREY, (9, 9))))
    files = {
        "good": whole,
        "cut": whole[: len(whole) // 2],  # its header is fine
        "text": b"not an image",
        "empty": b"",
    }
    for name, content in files.items():
        (tmp_path / f"{name}.png").write_bytes(content)
    names = ["good", "cut", "text", "gone", "empty", "good", "text", "text"]
    ids = [f"i{k}" for k in range(8)]
    for order in ([0, 1, 2, 3, 4, 5, 6, 7], [0, 5, 1]):
        data = pd.Series([str(tmp_path / f"{names[k]}.png") for k in order])
        data.index = [ids[k] for k in order]
        with pytest.raises(ValueError) as error:
            embed(data, encoder=Means())
        reason = "'i1': image file is truncated"
        if len(order) == 3:
            assert f"Got 1 of 3 rows that cannot be read ({reason}" in str(error.value)
        else:
            assert str(error.value) == (
                "The 'data' parameter must be images that can be read. Got 6 of 8 rows that "
                f"cannot be read ({reason}; 'i2': not an image; 'i3': no such file; 'i4': not an "
                "image; 'i6': not an image and 1 more) instead. Drop these rows, or pass "
                "unreadable='skip'; check_items(items) lists all of them."
            )


class Made(Sequence):
    """Images that are made when asked for, and how many there are in all of memory."""

    def __init__(self, n):
        self.n, self.most, self.others = n, 0, alive()

    def __len__(self):
        return self.n

    def __getitem__(self, at):
        if at >= self.n:
            raise IndexError
        if at % 64 == 62:
            self.most = max(self.most, alive() - self.others)
        return Image.fromarray(np.full((8, 8), at % 256, dtype=np.uint8))


def alive():
    return sum(type(item) is Image.Image for item in gc.get_objects())


@pytest.mark.parametrize("encoder", [Means(), Patches(n_patches=4, batch_size=64)])
def test_few_images_are_in_memory_at_a_time(encoder):
    images = Made(300)
    emb = embed(images, encoder=encoder, cache=False)
    assert len(emb) == 300
    assert 10 < images.most <= 66


def test_an_array_of_images_and_a_list_of_them_are_the_same():
    stack = RNG.integers(256, size=(5, 8, 8, 3), dtype=np.uint8)
    array, listed = (embed(data, encoder=Means()) for data in (stack, list(stack)))
    assert np.array_equal(array.vectors, listed.vectors)
    assert array.params["data"] == listed.params["data"]


def test_pixels_brings_images_to_one_shape():
    images = [Image.fromarray(GREY), Image.fromarray(COLOUR), Image.new("L", (300, 200), 9)]
    grey = pixels(images, shape=(9, 12), grey=True)
    assert grey.shape == (3, 9, 12, 1)
    assert np.array_equal(grey[0, :, :, 0], GREY)
    assert (grey[2] == 9).all()
    assert np.array_equal(pixels(images, shape=(9, 12), grey=False)[1], COLOUR)


# ---- patches -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written():
    """Return the handwritten digits and their patches."""
    items = digits()
    return items, embed(items["image"], encoder="patches", random_state=0)


def agreement(embedding, labels, k=5):
    """Return how often most of the k nearest rows have the row's own label."""
    votes = pd.DataFrame(labels.to_numpy()[embedding.neighbors(k).indices]).mode(axis=1)[0]
    return (votes.to_numpy() == labels.to_numpy()).mean()


def test_patches_see_more_in_digits_than_pixels_do(written):
    items, emb = written
    raw = np.stack(items["image"]).reshape(len(items), -1) + 1.0
    from curalab.embedding import Embedding

    pixel = Embedding(vectors=raw, metric="euclidean")
    assert agreement(emb, items["label"]) >= max(agreement(pixel, items["label"]), 0.985)
    assert emb.ids.equals(items.index)
    assert np.allclose(np.linalg.norm(emb.vectors, axis=1), 1, atol=1e-5)


def test_patches_new_images_lie_in_the_same_space(written):
    items, emb = written
    again = embed(items["image"].iloc[::300], encoder=emb.encoder)
    assert np.allclose(again.vectors, emb.vectors[::300], atol=1e-4)
    shifted = [np.clip(image + 8.0, 0, 255).astype(np.uint8) for image in items["image"].iloc[:20]]
    found = emb.search(embed(shifted, encoder=emb.encoder), 1).indices[:, 0]
    assert (found == np.arange(20)).mean() >= 0.9


def scenes(n, rng, size=(16, 16, 3)):
    """Return n pairs of pictures; two of a pair differ by noise."""
    clean = rng.integers(0, 200, size=(n, 4, 4, size[2])).repeat(4, axis=1).repeat(4, axis=2)
    noisy = np.stack([clean, clean], axis=1) + rng.integers(0, 20, size=(n, 2, *size))
    return list(noisy.reshape(2 * n, *size).astype(np.uint8))


def test_patches_places_images_beside_their_like():
    emb = embed(scenes(30, np.random.default_rng(1)), encoder=Patches(n_patches=32))
    assert (emb.neighbors(1).indices[:, 0] == np.arange(60) ^ 1).all()


def test_patches_are_the_same_for_the_same_seed():
    images = scenes(10, np.random.default_rng(2))
    encoder = Patches(n_patches=16)
    made = [embed(images, encoder=encoder, random_state=s, cache=False).vectors for s in (0, 0, 1)]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


@pytest.mark.parametrize(
    "images",
    [
        [GREY],
        [GREY, GREY],
        [np.zeros((8, 8))],
        [np.zeros((8, 8)), np.ones((20, 5))],
        [np.zeros((1, 1)), COLOUR],
        [GREY, COLOUR, np.zeros((70, 90))],
        [np.zeros((9, 12)), GREY, GREY],
    ],
)
def test_patches_on_next_to_nothing(images):
    emb = embed(images, encoder=Patches(n_patches=8), random_state=0)
    assert len(emb) == len(images)
    assert np.isfinite(emb.vectors).all()
    assert embed([COLOUR, GREY], encoder=emb.encoder).shape[1] == emb.shape[1]


def test_patches_keep_small_images_of_one_size_and_resize_others():
    def frame(images, **settings):
        made = embed(images, encoder=Patches(n_patches=4, **settings), cache=False)
        return made.encoder.fitted.frame

    assert frame([GREY, GREY]) == {"shape": (9, 12), "grey": True}
    assert frame([GREY, COLOUR]) == {"shape": (9, 12), "grey": False}
    assert frame([GREY, GREY[:8]]) == {"shape": (32, 32), "grey": True}
    assert frame([np.zeros((65, 9))] * 2) == {"shape": (32, 32), "grey": True}
    assert frame([GREY, GREY], size=10) == {"shape": (10, 10), "grey": True}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 7}, "The 'size' parameter must be an integer from 8 to 1024. Got 7 instead."),
        (
            {"n_patches": 1},
            "The 'n_patches' parameter must be an integer of 2 or more. Got 1 instead.",
        ),
        (
            {"batch_size": 0},
            "The 'batch_size' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
    ],
)
def test_patches_refuse_settings_out_of_range(settings, message):
    with pytest.raises(ValueError) as error:
        Patches(**settings)
    assert str(error.value) == message


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError) as error:
        embed([GREY, COLOUR], encoder=Patches(device="warp:9"))
    assert str(error.value) == (
        "The 'device' parameter must be 'auto' or a device that torch has here, such as 'cpu'. "
        "Got 'warp:9' instead."
    )


@pytest.mark.data
def test_patches_see_more_in_cifar10_than_colours_do(bench_data):
    import zipfile

    from curalab.embedding import Embedding

    with zipfile.ZipFile(bench_data / "cifar10_shared" / "images.zip") as archive:
        names = [name for name in archive.namelist() if name.startswith("train/")][::10]
        images = [Image.open(io.BytesIO(archive.read(name))) for name in names]
    labels = pd.Series([name.split("/")[1] for name in names])
    emb = embed(images, encoder=Patches(n_patches=128), random_state=0)
    colours = [np.histogramdd(np.asarray(i).reshape(-1, 3), 4)[0].ravel() for i in images]
    floor = agreement(Embedding(vectors=np.stack(colours)), labels, k=10)
    assert agreement(emb, labels, k=10) > floor + 0.1
