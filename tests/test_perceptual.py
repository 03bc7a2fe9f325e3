import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from curalab import Embedding, MissingExtraError
from curalab.duplicates import Perceptual, find_duplicates
from curalab.duplicates._pairs import components
from curalab.duplicates.perceptual import _close
from curalab.samples import digits, plant_duplicates

pytest.importorskip("imagehash")

CHINA, FLOWER = load_sample_images().images


def holding(data, ids=None):
    return Embedding(vectors=np.ones((len(data), 2)), data=data, ids=ids)


def groups(data, **settings):
    return find_duplicates(holding(data), method=Perceptual(**settings)).group.tolist()


def message(error, function, *args, **settings):
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value)


def written(path):
    """Write one photograph in many forms, then another one."""
    photo = Image.fromarray(CHINA)
    photo.save(path / "a.png")
    photo.save(path / "b.jpg", quality=40)
    photo.resize((213, 142)).save(path / "c.webp")
    photo.convert("L").save(path / "d.png")
    Image.fromarray((CHINA * 0.8 + 20).astype(np.uint8)).save(path / "e.bmp")
    Image.fromarray(FLOWER).save(path / "f.jpg")
    return [str(path / name) for name in ("a.png", "b.jpg", "c.webp", "d.png", "e.bmp", "f.jpg")]


# ---- by hand -------------------------------------------------------------------------------------


def test_the_share_of_equal_bits():
    """Each of 2 x 2 bits says whether a pixel is lighter than its left neighbour."""
    up, down = [0, 100, 200], [200, 100, 0]
    images = [np.array(rows, dtype=np.uint8) for rows in ([up, up], [up, down], [down, down])]
    found = find_duplicates(
        holding(images), method=Perceptual(hash="dhash", hash_size=2), threshold=0.5
    )
    assert found.pairs().to_numpy().tolist() == [[0, 1, 0.5], [1, 2, 0.5]]
    every = find_duplicates(
        holding(images), method=Perceptual(hash="dhash", hash_size=2), threshold=0
    )
    assert every.pairs()["similarity"].tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize("hash", ["phash", "dhash"])
def test_other_formats_sizes_light_and_no_colour_are_copies(tmp_path, hash):
    paths = written(tmp_path)
    assert groups(paths, hash=hash) == [0, 0, 0, 0, 0, -1]
    assert find_duplicates(holding(paths), method="exact").n_groups == 0


def test_paths_arrays_and_pictures_go_together(tmp_path):
    paths = written(tmp_path)
    mixed = [paths[0], CHINA, Image.fromarray(CHINA), FLOWER / 255.0, Image.open(paths[5])]
    assert groups(mixed) == [0, 0, 0, 1, 1]
    assert groups(np.stack([CHINA, FLOWER, CHINA])) == [0, -1, 0]
    assert groups(pd.Series(mixed[1:4])) == [0, 0, -1]


def test_the_column_of_images_of_a_table(tmp_path):
    paths = written(tmp_path)
    table = pd.DataFrame({"size": [1, 2, 3], "image": [Path(paths[0]), None, paths[1]]})
    assert groups(table.assign(note=["a", "b", "c"])) == [0, -1, 0]


def test_missing_images_are_like_no_other():
    assert groups([CHINA, None, CHINA, np.nan]) == [0, -1, 0, -1]
    assert groups([None, None]) == [-1, -1]
    assert groups([CHINA]) == [-1]


def test_jittered_digits():
    planted = plant_duplicates(digits(), share=0.05, kind="jittered", random_state=0)
    true = {frozenset(pair) for pair in zip(planted.truth.id_a, planted.truth.id_b, strict=True)}
    pool = holding(planted.items["image"], ids=planted.items.index)
    found = find_duplicates(pool, method="perceptual", threshold=0.9).pairs()
    told = {frozenset(pair) for pair in zip(found["id_a"], found["id_b"], strict=True)}
    assert len(told & true) >= 0.95 * len(true)
    assert len(told & true) >= 0.8 * len(told)
    assert len(find_duplicates(pool, method="exact").found) == 0


@pytest.mark.data
def test_judged_pairs_of_cifar(bench_data, tmp_path):
    import zipfile

    folder = bench_data / "cifar10_shared"
    judged = pd.read_csv(folder / "near_duplicate_pairs.csv")
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "images.zip") as archive:
        names = {*judged["file_a"], *judged["file_b"], *rng.choice(archive.namelist(), 2_000)}
        archive.extractall(tmp_path, sorted(names))
    paths = pd.Series({name: str(tmp_path / name) for name in sorted(names)})
    found = find_duplicates(holding(paths, ids=paths.index), method="perceptual").pairs()
    told = {frozenset(pair) for pair in zip(found["id_a"], found["id_b"], strict=True)}
    is_found = pd.Series(
        [frozenset(p) in told for p in zip(judged["file_a"], judged["file_b"], strict=True)]
    )
    same = judged["judgment"] == 1
    assert is_found[same].mean() >= 0.5
    assert same[is_found].mean() >= 0.9


# ---- all pairs of hashes -------------------------------------------------------------------------


@pytest.mark.parametrize("n_words", [1, 3])
@pytest.mark.parametrize("most", [0, 3, 70])
def test_all_close_pairs_are_found(monkeypatch, n_words, most):
    monkeypatch.setitem(_close.__globals__, "_CELLS", 1_000)
    rng = np.random.default_rng(0)
    codes = rng.integers(2**63, size=(90, n_words)).astype(np.uint64)
    codes[30:60] = codes[:30]
    codes[30:60, 0] ^= np.uint64(1) << rng.integers(60, size=30).astype(np.uint64)
    pairs, differing = _close(codes, most)
    bits = np.unpackbits(codes.view(np.uint8), axis=1).astype(int)
    gap = np.abs(bits[:, None] - bits).sum(axis=2)
    one, other = np.nonzero(np.triu(gap <= most, 1))
    expected = {(a, b): gap[a, b] for a, b in zip(one.tolist(), other.tolist(), strict=True)}
    assert dict(zip(map(tuple, pairs.tolist()), differing.tolist(), strict=True)) == expected


def test_a_giant_group_of_different_hashes_makes_few_pairs():
    rng = np.random.default_rng(0)
    flips = np.uint64(1) << rng.integers(60, size=(3_000, 3)).astype(np.uint64)
    codes = np.unique(np.bitwise_xor.reduce(flips, axis=1))[:, None]
    codes = np.concatenate([codes, rng.integers(2**63, size=(200, 1)).astype(np.uint64)])
    pairs, differing = _close(codes, 6)
    assert (differing <= 6).all()
    assert np.bincount(components(len(codes), pairs)).max() == len(codes) - 200
    assert len(pairs) < 5 * len(codes)


def test_many_copies_make_few_pairs():
    small = digits()["image"].iloc[0]
    found = find_duplicates(holding([small] * 3_000), method="perceptual")
    assert found.n_groups == 1
    assert len(found.found) == 2_999
    assert found.details["threshold"] == {"rule": "set by perceptual", "threshold": 0.8}


# ---- errors --------------------------------------------------------------------------------------


def test_all_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    Image.fromarray(CHINA).save(tmp_path / "good.png")
    paths = [str(tmp_path / name) for name in ("broken.png", "good.png", "absent.png")]
    pool = holding([*paths, 7], ids=["a", "b", "c", "d"])
    assert message(ValueError, find_duplicates, pool, method="perceptual") == (
        "The 'data' parameter must be images that can be read. Got 3 of 4 rows that cannot be read "
        "('a': not an image; 'c': no such file; 'd': not an image but 7) instead. "
        "Drop these rows, or mend the files."
    )
    many = holding([paths[0]] * 7)
    assert message(ValueError, find_duplicates, many, method="perceptual").partition("(")[2] == (
        "0: not an image; 1: not an image; 2: not an image; 3: not an image; 4: not an image and "
        "2 more) instead. Drop these rows, or mend the files."
    )


def test_data_without_images():
    assert message(ValueError, find_duplicates, np.eye(3), method="perceptual") == (
        "The method 'perceptual' needs 'data', and the pool has none. "
        "Pass Pool(embedding=…, data=…) to find_duplicates, or choose another method."
    )
    table = pd.DataFrame({"n": [1, 2], "text": ["a", "b"]})
    assert message(TypeError, groups, table) == (
        "The 'data' parameter must be a table with one column of images for the method "
        "'perceptual'. Got 0 of them in the columns 'n', 'text' instead."
    )
    table = pd.DataFrame({"n": [1, 2], "left": ["a.png", "b.png"], "right": ["c.png", "d.png"]})
    assert message(TypeError, groups, table) == (
        "The 'data' parameter must be a table with one column of images for the method "
        "'perceptual'. Got 2 of them in the columns 'left', 'right' instead. "
        "Pass Pool(embedding=…, data=items[column])."
    )


def test_settings_out_of_range():
    assert message(ValueError, groups, [CHINA], hash="ahash") == (
        "The 'hash' parameter must be one of 'phash', 'dhash'. Got 'ahash' instead. "
        "Did you mean 'phash'?"
    )
    assert message(ValueError, groups, [CHINA], hash_size=1) == (
        "The 'hash_size' parameter must be an integer from 2 to 32. Got 1 instead."
    )


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "imagehash", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Absent(), *sys.meta_path])
    assert message(MissingExtraError, groups, [CHINA]) == (
        "The method 'perceptual' needs the package 'imagehash', which is not installed. "
        "Install it with: pip install 'curalab[duplicates]'"
    )


class _Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "imagehash":
            raise ModuleNotFoundError(name=name)
