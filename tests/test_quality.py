import re
import tracemalloc
import zipfile
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from curalab.items import image_quality, text_quality


def message(error, function, *args, **settings):
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value)


def flagged(table):
    """Return the rows of each flag that is raised."""
    flags = [name for name in table if name.startswith("is_")]
    return {name: table.index[table[name]].tolist() for name in flags if table[name].any()}


def photograph(seed=0, size=(64, 48)):
    """A picture with edges, shades and all greys."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    made = 0.3 * x + 0.2 * y
    for _ in range(12):
        (cx, cy), r = rng.random(2), rng.uniform(0.05, 0.3)
        made = np.where((x - cx) ** 2 + (y - cy) ** 2 < r**2, rng.random() + 0.1 * x, made)
    made = made + rng.normal(0, 0.01, made.shape)
    return Image.fromarray((255 * np.clip(made, 0, 1)).astype(np.uint8)).convert("RGB")


PHOTOGRAPHS = [photograph(seed) for seed in range(10)]


# ---- images --------------------------------------------------------------------------------------


def test_signals_by_hand():
    image = np.zeros((4, 6), dtype=np.uint8)
    image[:, 3:] = 255
    table = image_quality([image]).iloc[0]
    assert table[["width", "height", "aspect_ratio"]].tolist() == [6, 4, 1.5]
    assert table[["brightness", "dark_end", "light_end", "contrast"]].tolist() == [0.5, 0, 1, 1]
    assert table["information"] == pytest.approx(1)
    # the Laplacian inside is 0, 1, -1, 0 in each row; the mean squared slope 1 / 5, less rounding
    assert table["sharpness"] == pytest.approx(0.5 / 0.2, abs=1e-3)


def test_white_noise_is_of_sharpness_5():
    noise = np.random.default_rng(0).integers(0, 256, (128, 128)).astype(np.uint8)
    assert image_quality([noise])["sharpness"][0] == pytest.approx(5, abs=0.2)


def test_good_pictures_have_no_flag():
    assert flagged(image_quality(PHOTOGRAPHS)) == {}


DAMAGE = {
    "is_dark": lambda image: ImageEnhance.Brightness(image).enhance(0.2),
    "is_bright": lambda image: Image.blend(image, Image.new("RGB", image.size, "white"), 0.8),
    "is_low_contrast": lambda image: Image.blend(
        image, Image.new("RGB", image.size, (128, 128, 128)), 0.85
    ),
    "is_blurry": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "is_blank": lambda image: Image.new("RGB", image.size, (90, 120, 100)),
    "is_odd_size": lambda image: image.resize((16, 12)),
    "is_odd_aspect": lambda image: image.resize((160, 24)),
}


@pytest.mark.parametrize("flag", DAMAGE)
def test_planted_damage_is_flagged_and_nothing_else(flag):
    images = [DAMAGE[flag](image) if i < 4 else image for i, image in enumerate(PHOTOGRAPHS)]
    found = flagged(image_quality(images))
    assert found.pop(flag) == [0, 1, 2, 3]
    assert set(found) <= ({"is_blurry"} if flag == "is_odd_aspect" else set())


def test_blur_is_seen_at_any_contrast_and_size():
    for scale in (0.5, 1, 4):
        size = (int(64 * scale), int(48 * scale))
        sharp = [photograph(seed, size) for seed in range(6)]
        blurred = [image.filter(ImageFilter.GaussianBlur(2.5 * max(scale, 1))) for image in sharp]
        faint = [ImageEnhance.Contrast(image).enhance(0.3) for image in [*sharp, *blurred]]
        assert not image_quality(sharp)["is_blurry"].any()
        assert image_quality(blurred)["is_blurry"].all()
        assert image_quality(faint)["is_blurry"].tolist() == [False] * 6 + [True] * 6


def test_a_coloured_picture_is_not_dark_where_one_channel_is_light():
    red = np.zeros((20, 20, 3), dtype=np.uint8)
    red[:, 10:, 0] = 200
    assert "is_dark" not in flagged(image_quality([red]))
    assert flagged(image_quality([red[:, :, [1, 1, 1]]])) == {"is_blank": [0], "is_dark": [0]}


def test_a_small_object_on_white_is_neither_bright_nor_of_low_contrast():
    plain = np.full((50, 50), 250, dtype=np.uint8)
    plain[20:28, 20:28] = 40
    assert flagged(image_quality([plain])) == {"is_blank": [0]} or not flagged(
        image_quality([plain])
    )


def test_what_cannot_be_read_is_flagged_and_has_no_numbers(tmp_path):
    PHOTOGRAPHS[0].save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    paths = [str(tmp_path / "good.png"), tmp_path / "bad.png", str(tmp_path / "gone.png"), None]
    table = image_quality(pd.Series(paths, index=list("abcd")))
    assert flagged(table) == {"is_unreadable": ["b", "c", "d"]}
    assert table.loc[["b", "c", "d"], "width":"sharpness"].isna().all(axis=None)
    assert table.loc["a"].notna().all()


def test_images_of_one_pixel_and_of_other_kinds():
    images = [np.zeros((1, 1)), Image.new("1", (5, 5)), Image.new("RGBA", (5, 5)), np.ones((3, 3))]
    table = image_quality(images)
    assert not table["is_unreadable"].any()
    assert table["is_blank"].all()


def test_an_array_of_images_and_permutation():
    images = np.stack([np.asarray(image) for image in PHOTOGRAPHS])
    table = image_quality(images)
    assert table.index.tolist() == list(range(10))
    turned = image_quality(pd.Series(list(images[::-1]), index=range(9, -1, -1)))
    pd.testing.assert_frame_equal(table, turned.loc[table.index], check_names=False)


@pytest.mark.data
def test_real_photographs_damaged(bench_data):
    with zipfile.ZipFile(bench_data / "trashnet6" / "images.zip") as folder:
        names = [name for name in folder.namelist() if name.endswith(".jpg")][::15]
        images = [Image.open(BytesIO(folder.read(name))).convert("RGB") for name in names]
    assert image_quality(images).filter(like="is_").to_numpy().mean() < 0.01
    wide = ImageFilter.GaussianBlur(5)
    assert image_quality([image.filter(wide) for image in images])["is_blurry"].mean() > 0.95
    dark = [DAMAGE["is_dark"](image) for image in images]
    assert image_quality(dark)["is_dark"].mean() > 0.95


# ---- texts ---------------------------------------------------------------------------------------


LINKS = re.findall(
    r"\w+",
    """the a of and to in that it was for on with as had but at by from they this were which
have she he not all her his there been one so when would who will more no if out up into could
them about than then some very after only""",
)
NAMES = re.findall(
    r"\w+",
    """room hotel kitchen breakfast view owner sister friend desk neighbour street garden table
window summer year holiday rain night morning evening water coffee bread price people children
station train bus city river mountain church market music door floor shower towel pillow light
noise dinner lunch staff bag phone question answer reason problem""",
)


def sentences(n=200, seed=0):
    rng = np.random.default_rng(seed)
    length = rng.integers(6, 12, n)
    pairs = [(rng.choice(LINKS), rng.choice(LINKS), rng.choice(NAMES)) for _ in range(length.sum())]
    words = [" ".join(pair) for pair in pairs]
    parts = np.split(np.array(words, dtype=object), np.cumsum(length)[:-1])
    return [" ".join(part).capitalize() + "." for part in parts]


GOOD = sentences()


def alone(text):
    """Return the flags of one text among good ones."""
    table = text_quality([*GOOD, text])
    return [name for name in table if name.startswith("is_") and table[name].iloc[-1]]


def test_signals_of_texts_by_hand():
    texts = ["Ab c\u0434 <br>", " see http://x.org/a ", "abcdefghijk" * 2, None]
    table = text_quality(texts)
    assert table["n_characters"].tolist() == [10, 18, 22, 0]
    assert table["n_words"].tolist() == [3, 2, 1, 0]
    assert table["n_letters"].tolist() == [6, 12, 22, 0]
    assert table["capitals"].tolist() == [1 / 6, 0, 0, 0]
    assert np.allclose(table["other_script"], [1 / 6, 0, 0, 0])
    assert table["n_html"].tolist() == [1, 0, 0, 0]
    assert table["urls"].tolist() == [0, 14 / 17, 0, 0]
    # 13 stretches of ten characters, of which the first two come again
    assert table["repetition"].tolist() == [0, 0, 2 / 13, 0]


def test_good_texts_have_no_flag():
    assert flagged(text_quality(sentences(400))) == {}


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("", ["is_empty"]),
        (" \n\ufeff\u200b", ["is_empty"]),
        (None, ["is_empty"]),
        (float("nan"), ["is_empty"]),
        ("ok", ["is_too_short"]),
        (" ".join(sentences(40, seed=1)), ["is_too_long"]),
        ("Хозяин сказал, что завтрак был очень хороший и недорогой.", ["is_other_script"]),
        ("老板说这家酒店的早餐非常好吃，房间也很干净，下次还会再来入住。", ["is_other_script"]),
        (
            "Der Besitzer sagte uns, dass das Zimmer im letzten Jahr viel schöner gewesen sei.",
            ["is_other_language"],
        ),
        (
            "Le propriétaire nous a dit que la chambre était plus jolie avant les vacances.",
            ["is_other_language"],
        ),
        ("The breakfast was lovely in the small kitchen and the view was clean too.", []),
        ("The room was lovely. " * 4, ["is_repetitive"]),
        ("@user @user @user @user @user The room was lovely, he said.", []),
        ("The breakfast had been lovely in the cafÃ© outside last year.", ["is_mojibake"]),
        ("The breakfast hadnâ€™t been lovely at night.", ["is_mojibake"]),
        ("The breakfast had been \ufffd lovely at night.", ["is_mojibake"]),
        ("The CAFÉ “LA VILLE” was open – NÃO, it was not…", []),
        ("The breakfast <br /> had been &amp; lovely at night.", ["is_html"]),
        ("The breakfast was < 5 and > 3, he thought.", []),
        ("THE OWNER SAID THAT THE ROOM HAD BEEN LOVELY!", ["is_all_caps"]),
        ("The WHO said.", []),
        ("https://example.org/rooms/and/kitchens?page=2", ["is_url_only"]),
        ("The owner has a page, see www.example.org for the room.", []),
    ],
)
def test_each_kind_of_poor_text(text, flags):
    assert [
        flag for flag in alone(text) if flag != "is_too_short" or "short" in str(flags)
    ] == flags


def test_boilerplate_is_what_many_share():
    footer = " Sign up for our newsletter and never miss a story. All rights reserved."
    many = text_quality([text + footer if i < 10 else text for i, text in enumerate(GOOD)])
    assert set(flagged(many)) == {"is_boilerplate"}
    assert many["is_boilerplate"][:10].sum() >= 8  # not where the text before it is long
    assert (many["shared"][10:] == 0).all()
    few = text_quality([text + footer if i < 4 else text for i, text in enumerate(GOOD)])
    assert flagged(few) == {}


def test_the_language_of_the_set_is_the_right_one():
    german = re.findall(
        r"\w+",
        """das die der und in zu den nicht von sie ist des sich mit dem dass er es ein ich auf
    so eine auch als an nach wie im für man aber aus durch wenn nur war noch werden bei hat wir
    Zimmer Haus Garten Straße Fenster Frühstück Schwester Sommer Regen Abend Preis""",
    )
    rng = np.random.default_rng(0)
    made = [" ".join(rng.choice(german, 20)) for _ in range(100)]
    table = text_quality([*made, "He " + GOOD[0], "She " + GOOD[1]])
    assert flagged(table) == {"is_other_language": [100, 101]}
    chinese = [
        f"第{i}天我们住在这家酒店，房间很干净，服务员也很热情，下次还会再来。" for i in range(60)
    ]
    table = text_quality([*chinese, GOOD[0]])
    assert flagged(table)["is_other_script"] == [60]
    assert not table["is_other_language"].any()


def test_two_scripts_of_a_mixed_set_are_both_right():
    russian = ["Хозяин сказал, что завтрак был хороший."] * 150
    assert "is_other_script" not in flagged(text_quality([*GOOD, *russian]))


def test_few_texts_and_index():
    assert flagged(text_quality(["a"])) == {}
    assert flagged(text_quality(["", ""])) == {"is_empty": [0, 1]}
    table = text_quality(pd.Series(GOOD[:20], index=[f"t{i}" for i in range(20)]))
    assert table.index.tolist() == [f"t{i}" for i in range(20)]


def test_texts_in_another_order():
    table = text_quality(pd.Series([*GOOD, "OK FINE AND GOOD", ""]))
    turned = text_quality(pd.Series([*GOOD, "OK FINE AND GOOD", ""])[::-1])
    pd.testing.assert_frame_equal(table, turned.sort_index())


def test_words_that_are_as_common_as_others_go_by_the_alphabet():
    words = [chr(97 + i // 26) + chr(97 + i % 26) for i in range(240)]
    lines = [" ".join(words[at : at + 16]) for at in range(0, 240, 16)]
    for order in (1, -1):
        table = text_quality(lines[::order] * 3)
        assert table["common_words"].tolist() == ([1.0] * 12 + [0.5] + [0.0] * 2)[::order] * 3


def test_many_texts_take_little_memory_and_are_judged_as_in_one_go(monkeypatch):
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("etaoin"), 5)) for _ in range(3_000)] + [
        "\u0438\u043b\u0438",
        "",
    ]
    texts = [" ".join(rng.choice(words, 600)) + " the same at the end of each" for _ in range(150)]
    whole = text_quality(texts)
    monkeypatch.setattr("curalab.items._text_signals._BLOCK", 20_000)
    tracemalloc.start()
    parts = text_quality(texts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80 * whole["n_characters"].sum()
    assert (whole["shared"] > 0).all()
    pd.testing.assert_frame_equal(parts, whole, check_exact=True)


# ---- errors --------------------------------------------------------------------------------------


def test_errors():
    assert message(TypeError, image_quality, "a.png") == (
        "The 'images' parameter must be a Series or list of images. Got str instead."
    )
    assert message(TypeError, image_quality, pd.DataFrame({"image": ["a.png"]})) == (
        "The 'images' parameter must be a Series or list of images. Got DataFrame instead. "
        "Pass a column."
    )
    assert message(ValueError, text_quality, []) == (
        "The 'texts' parameter must be of at least one row. Got none instead."
    )
    assert message(TypeError, text_quality, pd.Series(["a", 3, b"b"], index=list("xyz"))) == (
        "The 'texts' parameter must be texts, or None where there is none. Got 2 of 3 that are "
        "none (ids 'y', 'z': 3, b'b') instead."
    )
    twice = pd.Series(["a", "b"], index=["x", "x"])
    assert message(ValueError, text_quality, twice) == (
        "The 'ids' parameter must be distinct. Got ids that occur twice: 'x' instead."
    )
