"""Pretrained models: found, loaded and asked, on tiny ones that the tests write to disk."""

import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from curalab._check import MissingExtraError
from curalab.encoders import CLIP, DINOv2, SigLIP, _pretrained, embed
from curalab.encoders._pixels import frame_of, prepared

pytest.importorskip("transformers")

RNG = np.random.default_rng(0)
IMAGES = [
    RNG.integers(256, size=shape, dtype=np.uint8)
    for shape in ((40, 60, 3), (90, 31, 3), (28, 28, 3), (50, 50))
]
TEXTS = ["a red car", "two dogs", "the sea at night", "A bird"]
WORDS = sorted({word for text in TEXTS for word in text.lower().split()})
LOOK = {
    "do_resize": True,
    "size": {"shortest_edge": 32},
    "do_center_crop": True,
    "crop_size": {"height": 28, "width": 28},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.4, 0.5, 0.6],
    "image_std": [0.2, 0.3, 0.4],
    "resample": 3,
}
SIZES = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
SIZES["num_attention_heads"] = 2


def saved(folder, model, seed=0, **look):
    """Write a model with random weights, and how it wants its images."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(LOOK | look))
    return str(folder)


def dinov2(**settings):
    from transformers import Dinov2Config, Dinov2Model

    sizes = {k: v for k, v in SIZES.items() if k != "intermediate_size"}
    return Dinov2Model(Dinov2Config(image_size=28, patch_size=14, **sizes, **settings))


def clip():
    from transformers import CLIPConfig, CLIPModel

    text = SIZES | {"vocab_size": 40, "max_position_embeddings": 8, "eos_token_id": 1}
    text |= {"bos_token_id": 0, "pad_token_id": 1}
    vision = SIZES | {"image_size": 28, "patch_size": 14}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))


def siglip():
    from transformers import SiglipConfig, SiglipModel

    text = SIZES | {"vocab_size": 40, "max_position_embeddings": 8}
    vision = SIZES | {"image_size": 28, "patch_size": 14}
    return SiglipModel(SiglipConfig(text_config=text, vision_config=vision))


def write_tokenizer(folder):
    """Write a tokenizer of whole words that ends each text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    ids = {word: i for i, word in enumerate(["<s>", "</s>", "<unk>", *WORDS])}
    made = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folders of a tiny DINOv2, CLIP and SigLIP."""
    root = tmp_path_factory.mktemp("models")
    square = {"size": {"height": 28, "width": 28}, "do_center_crop": None, "crop_size": None}
    made = {
        "dinov2": saved(root / "dinov2", dinov2),
        "clip": saved(root / "clip", clip),
        "siglip": saved(root / "siglip", siglip, **square),
    }
    for name in ("clip", "siglip"):
        write_tokenizer(root / name)
    return made


@pytest.fixture
def copy(folders, tmp_path):
    """A DINOv2 that a test may break."""
    return shutil.copytree(folders["dinov2"], tmp_path / "model")


@pytest.fixture
def hub(monkeypatch, folders, tmp_path):
    """A hub that holds the tiny DINOv2; what it was asked is listed."""
    import huggingface_hub

    class Hub:
        cached, files, asked = False, "*", []

        def get(self, model, *, allow_patterns, local_files_only=False):
            self.asked.append((model, ".bin" in str(allow_patterns), local_files_only))
            if local_files_only and not self.cached:
                raise FileNotFoundError("not in the cache")
            has_weights = self.files == "*" or "bin" in str(allow_patterns)
            return folders["dinov2"] if has_weights else str(tmp_path)

    made = Hub()
    made.asked = []
    _pretrained.snapshot.cache_clear()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", made.get)
    yield made
    _pretrained.snapshot.cache_clear()


def by_hand(image, size=32, crop=28):
    """Resize the shortest side, cut the middle out, normalise: the plain way."""
    image = Image.fromarray(image).convert("RGB")
    scale = size / min(image.size)
    image = image.resize([max(size, int(side * scale)) for side in image.size], 3)
    left, top = ((side - crop) // 2 for side in image.size)
    return normalised(np.asarray(image)[top : top + crop, left : left + crop])


def normalised(image):
    array = np.asarray(image) / 255
    return ((array - LOOK["image_mean"]) / LOOK["image_std"]).transpose(2, 0, 1)


def tensor(arrays):
    import torch

    return torch.tensor(np.stack(arrays), dtype=torch.float32)


def unit(vectors):
    vectors = vectors.detach().numpy()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# ---- pixels --------------------------------------------------------------------------------------


def test_pixels_are_those_of_resizing_and_cutting_the_plain_way(folders):
    frame = frame_of(Path(folders["dinov2"]), ())
    made = prepared([Image.fromarray(image) for image in IMAGES], frame)
    plain = np.stack([by_hand(image) for image in IMAGES])
    assert made.shape == (4, 3, 28, 28)
    assert made.dtype == np.float32
    assert np.allclose(made, plain, atol=1e-5)


def test_pixels_are_those_of_the_library(folders):
    processors = pytest.importorskip("transformers.models.clip.image_processing_pil_clip")
    processor = processors.CLIPImageProcessorPil.from_pretrained(folders["clip"])
    images = [Image.fromarray(image).convert("RGB") for image in IMAGES]
    theirs = processor(images, return_tensors="np")["pixel_values"]
    ours = prepared(images, frame_of(Path(folders["clip"]), ()))
    assert np.allclose(ours, theirs, atol=1e-5)


def test_a_long_strip_is_cut_before_it_is_resized(folders):
    frame = frame_of(Path(folders["dinov2"]), ())
    strip = Image.new("L", (60_000, 1), 200)  # 32 times as large would be 61 million pixels
    strip.putpixel((0, 0), 0)
    made = prepared([strip], frame)
    expected = (200 / 255 - np.array(LOOK["image_mean"])) / LOOK["image_std"]
    assert np.allclose(made, expected[None, :, None, None], atol=1e-5)


@pytest.mark.parametrize(
    ("look", "shape"),
    [
        ({"size": 32, "crop_size": 28}, (28, 28)),
        ({"size": {"height": 20, "width": 30}, "do_center_crop": False}, (20, 30)),
        ({"size": {"height": 20, "width": 30}, "crop_size": None, "resample": None}, (20, 30)),
        ({"size": {"shortest_edge": 30}, "crop_size": {"height": 10, "width": 30}}, (10, 30)),
    ],
)
def test_the_models_own_settings_decide_the_shape(tmp_path, look, shape):
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps({k: v for k, v in (LOOK | look).items() if v is not None}))
    assert frame_of(tmp_path, ()).shape == shape
    file.rename(tmp_path / "processor_config.json")  # as newer versions write it
    told = json.dumps({"image_processor": LOOK | look | {"resample": 3}})
    (tmp_path / "processor_config.json").write_text(told)
    assert frame_of(tmp_path, (("other", 0, 0),)).shape == shape


@pytest.mark.parametrize(
    "look",
    [
        {"size": {"shortest_edge": 30}, "do_center_crop": False},
        {"size": {"shortest_edge": 20}},
        {"size": {"longest_edge": 20}, "crop_size": None},
    ],
)
def test_settings_that_leave_images_of_many_shapes_are_refused(tmp_path, look):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(LOOK | look))
    with pytest.raises(ValueError) as error:
        frame_of(tmp_path, ())
    assert str(error.value) == (
        f"The preprocessor_config.json of the model in {str(tmp_path)!r} must bring all images to "
        f"one shape, and give image_mean and image_std. Got size {look['size']} and crop_size "
        f"{(LOOK | look)['crop_size']} instead."
    )


def test_without_settings_the_error_names_the_file(copy):
    (copy / "preprocessor_config.json").unlink()
    with pytest.raises(FileNotFoundError) as error:
        embed(IMAGES, encoder=DINOv2(model=str(copy)))
    assert str(error.value) == (
        f"The model in {str(copy)!r} must have a preprocessor_config.json, which says how it "
        "wants its input. Got none instead."
    )


# ---- what the models answer ----------------------------------------------------------------------


def test_dinov2_is_the_class_token(folders):
    from transformers import Dinov2Model

    emb = embed(IMAGES, encoder=DINOv2(model=folders["dinov2"], batch_size=3))
    model = Dinov2Model.from_pretrained(folders["dinov2"]).eval()
    expected = model(pixel_values=tensor([by_hand(image) for image in IMAGES]))
    assert emb.shape == (4, 16)
    assert emb.metric == "cosine"
    assert np.allclose(emb.vectors, unit(expected.last_hidden_state[:, 0]), atol=1e-5)
    assert np.allclose(np.linalg.norm(emb.vectors, axis=1), 1, atol=1e-5)
    alone = embed(IMAGES[:1], encoder=emb.encoder)
    assert np.allclose(alone.vectors, emb.vectors[:1], atol=1e-5)


def logits(name, model, folder):
    """Return what the model itself says of each image and text, without its scale and bias."""
    from transformers import AutoTokenizer

    texts = [text.lower() for text in TEXTS] if name == "siglip" else TEXTS
    padding = "max_length" if name == "siglip" else True
    tokens = AutoTokenizer.from_pretrained(folder)(
        texts, padding=padding, max_length=8, truncation=True, return_tensors="pt"
    )
    given = {"input_ids": tokens["input_ids"]}
    pixels = [by_hand(image) for image in IMAGES]
    if name == "siglip":
        sized = [Image.fromarray(image).convert("RGB").resize((28, 28), 3) for image in IMAGES]
        pixels = [normalised(image) for image in sized]
    else:
        given["attention_mask"] = tokens["attention_mask"]
    made = model(pixel_values=tensor(pixels), **given)
    bias = getattr(model, "logit_bias", 0)
    return ((made.logits_per_image - bias) / model.logit_scale.exp()).detach().numpy()


@pytest.mark.parametrize(("name", "made", "d"), [("clip", CLIP, 12), ("siglip", SigLIP, 16)])
def test_images_and_texts_compare_as_the_model_says(folders, name, made, d):
    from transformers import AutoModel

    encoder = made(model=folders[name], batch_size=3)
    images = embed(IMAGES, encoder=encoder)
    texts = embed(pd.Series(TEXTS, index=list("wxyz")), encoder=images.encoder)
    assert images.shape == texts.shape == (4, d)
    assert texts.ids.tolist() == list("wxyz")
    for emb in (images, texts):
        assert emb.metric == "cosine"
        assert np.allclose(np.linalg.norm(emb.vectors, axis=1), 1, atol=1e-5)
    model = AutoModel.from_pretrained(folders[name]).eval()
    expected = logits(name, model, folders[name])
    similarity = images.vectors @ texts.vectors.T
    assert np.allclose(similarity, expected, atol=1e-5)
    assert np.ptp(expected) > 0.05  # it could be told apart from another answer
    found = images.search(texts, 1).indices[:, 0]
    assert found.tolist() == expected.argmax(axis=0).tolist()


@pytest.mark.parametrize(("name", "made"), [("clip", CLIP), ("siglip", SigLIP)])
def test_long_texts_are_cut_and_order_and_batches_do_not_matter(folders, name, made):
    texts = ["red " * 250_000, *TEXTS, "red " * 20]  # the first is a megabyte
    emb = embed(texts, encoder=made(model=folders[name]))
    again = embed(texts[::-1], encoder=made(model=folders[name], batch_size=1))
    assert np.allclose(emb.vectors, again.vectors[::-1], atol=1e-5)
    assert np.allclose(emb.vectors[0], emb.vectors[-1], atol=1e-5)


def test_siglip_reads_letters_of_either_case(folders):
    emb = embed(["A RED car", "a red car"], encoder=SigLIP(model=folders["siglip"]))
    assert np.allclose(emb.vectors[0], emb.vectors[1], atol=1e-6)


# ---- what is embedded ----------------------------------------------------------------------------


def test_images_of_every_kind_are_seen_as_what_they_show(folders, tmp_path):
    encoder = DINOv2(model=folders["dinov2"])
    grey, colour = IMAGES[3], IMAGES[0]
    blue = Image.new("RGB", (40, 40), (0, 0, 255))
    frames = [Image.fromarray(colour), blue.resize((60, 40))]
    frames[0].save(tmp_path / "moving.png", save_all=True, append_images=frames[1:])
    same = {
        "grey": (Image.fromarray(grey), np.dstack([grey] * 3)),
        "16 bits": (Image.fromarray(grey.astype(np.uint16) * 257), grey),
        "palette": (blue.quantize(4), blue),
        "CMYK": (Image.new("CMYK", (40, 40), (255, 255, 0, 0)), blue),
        "animated": (tmp_path / "moving.png", colour),
    }
    for kind, (given, shown) in same.items():
        a, b = embed([given, shown], encoder=encoder, cache=False).vectors
        assert np.allclose(a, b, atol=1e-5), kind


@pytest.mark.parametrize("encoder", [DINOv2, CLIP])
def test_broken_images_are_named_together(folders, tmp_path, monkeypatch, encoder):
    Image.fromarray(IMAGES[0]).save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.new("1", (100, 100)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4_000)
    data = pd.Series({name: str(tmp_path / f"{name}.png") for name in ("good", "cut", "bomb")})
    made = encoder(model=folders["dinov2" if encoder is DINOv2 else "clip"])
    with pytest.raises(ValueError) as error:
        embed(data, encoder=made)
    assert str(error.value) == (
        "The 'data' parameter must be images that can be read. Got 2 of 3 rows that cannot be "
        "read ('cut': image file is truncated; 'bomb': Image size (10000 "
        "pixels) exceeds limit of 8000 pixels, could be decompression bomb DOS attack.) instead. "
        "Drop these rows, or pass "
        "unreadable='skip'; check_items(items) lists all of them."
    )


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (
            ["a car", None, 7],
            TypeError,
            "texts for the encoder 'clip'. Got 2 of 3 rows that are none (ids 1, 2: None, 7) "
            "instead. Drop or fill these rows.",
        ),
        (
            ["a car", " "],
            ValueError,
            "texts for the encoder 'clip'. Got 1 of 2 rows that are empty (ids 1) instead. Drop "
            "or fill these rows.",
        ),
        (
            pd.DataFrame({"text": TEXTS}),
            TypeError,
            "one column of image for the encoder 'clip'. Got a DataFrame with the columns 'text' "
            "instead. Pass a column: data['text'].",
        ),
        (
            [IMAGES[0], "a car"],
            ValueError,
            "images that can be read. Got 1 of 2 rows that cannot be read (1: no such file) "
            "instead. Drop these rows, or pass unreadable='skip'; check_items(items) lists all of "
            "them.",
        ),
    ],
)
def test_what_clip_cannot_take_is_named(folders, data, kind, message):
    with pytest.raises(kind) as error:
        embed(data, encoder=CLIP(model=folders["clip"]))
    assert str(error.value) == f"The 'data' parameter must be {message}"


def test_a_path_is_an_image_whatever_its_ending(folders, tmp_path):
    Image.fromarray(IMAGES[0]).save(tmp_path / "image", "PNG")
    encoder = CLIP(model=folders["clip"])
    emb = embed([tmp_path / "image"], encoder=encoder)
    assert np.allclose(emb.vectors, embed(IMAGES[:1], encoder=encoder).vectors, atol=1e-5)


# ---- which model ---------------------------------------------------------------------------------


def test_the_model_is_part_of_the_fingerprint(folders, tmp_path):
    made = []
    for seed in (0, 1):
        folder = saved(tmp_path / "model", dinov2, seed)
        made.append(embed(IMAGES, encoder=DINOv2(model=folder)))
    first, second = (emb.params["origin"] for emb in made)
    assert (first["model"], first["from"], len(first["hash"])) == ("model", "path", 32)
    assert first["hash"] != second["hash"]
    assert made[0].params["encoder"] != made[1].params["encoder"]
    assert not np.allclose(made[0].vectors, made[1].vectors)


@pytest.mark.parametrize(("cached", "source", "calls"), [(True, "hub cache", 1), (False, "hub", 2)])
def test_the_hub_cache_comes_before_the_hub(hub, cached, source, calls):
    hub.cached = cached
    emb = embed(IMAGES, encoder=DINOv2(), cache=False)
    origin = emb.params["origin"]
    assert (origin["model"], origin["from"]) == ("facebook/dinov2-small", source)
    assert origin["revision"] == "dinov2"  # the name of the folder
    name = "facebook/dinov2-small"
    assert hub.asked == [(name, False, True), (name, False, False)][:calls]


def test_weights_in_the_old_format_are_fetched_only_where_there_are_no_others(hub):
    hub.files = "old"
    assert embed(IMAGES, encoder=DINOv2(model="x/y"), cache=False).shape == (4, 16)
    assert hub.asked == [("x/y", False, True), ("x/y", False, False), ("x/y", True, False)]


def test_sizes_are_names_on_the_hub(hub):
    hub.cached = True
    for size in ("small", "base", "large", "giant"):
        assert DINOv2(model=size).origin["model"] == f"facebook/dinov2-{size}"
    assert DINOv2(model="me/mine").origin["model"] == "me/mine"


def test_without_the_model_the_error_says_how_to_get_it(monkeypatch):
    import huggingface_hub

    def snapshot(model, **settings):
        raise ConnectionError("no network\nand more")

    _pretrained.snapshot.cache_clear()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(OSError) as error:
        embed(IMAGES, encoder="dinov2")
    assert str(error.value) == (
        "The model facebook/dinov2-small is not in the local hub cache, and could not be "
        "downloaded (ConnectionError: no network). Pass the path of a folder that holds it as "
        "`model`."
    )


@pytest.mark.parametrize("model", ["{}", "{}/none", "tiny", "/models/x", "a/b/c", ""])
def test_what_is_neither_a_model_nor_a_name_is_refused(tmp_path, model, hub):
    (tmp_path / "config.json").write_text("{}")
    model = model.format(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        embed(IMAGES, encoder=DINOv2(model=model))
    shown = repr(model) if len(repr(model)) <= 80 else f"{model!r:.77}..."
    assert str(error.value) == (
        "The 'model' parameter must be a folder that holds a model (config.json and weights), or "
        f"the name of one on the hub, as 'owner/name'. Got {shown} instead."
    )
    assert hub.asked == []


def test_a_model_that_is_no_string_is_refused(tmp_path):
    with pytest.raises(TypeError) as error:
        embed(IMAGES, encoder=DINOv2(model=None))
    assert str(error.value) == (
        "The 'model' parameter must be a folder that holds a model (config.json and weights), or "
        "the name of one on the hub, as 'owner/name', in a string. Got None instead."
    )


@pytest.mark.parametrize(
    ("made", "kinds"),
    [(CLIP, "'clip'"), (SigLIP, "'siglip'")],
)
def test_a_model_of_another_kind_is_refused(folders, made, kinds):
    with pytest.raises(ValueError) as error:
        embed(IMAGES, encoder=made(model=folders["dinov2"]))
    assert str(error.value) == (
        f"The 'model' parameter must be a model of type {kinds}. Got "
        f"{folders['dinov2']!r}, of type 'dinov2' instead."
    )


def test_a_model_without_all_of_its_weights_is_refused(copy):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["layernorm.weight"], weights["embeddings.mask_token"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError) as error:
        embed(IMAGES, encoder=DINOv2(model=str(copy)))
    assert str(error.value) == (
        f"The 'model' parameter must be a folder with all weights of its model. Got {str(copy)!r}, "
        "which lacks 1 of them, such as 'layernorm.weight' instead."
    )


def test_masks_are_for_training_only(copy, folders):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["embeddings.mask_token"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    ours, whole = (embed(IMAGES, encoder=DINOv2(model=str(m))) for m in (copy, folders["dinov2"]))
    assert np.array_equal(ours.vectors, whole.vectors)


@pytest.mark.parametrize(
    ("name", "extra"), [("dinov2", "image"), ("clip", "image"), ("siglip", "image")]
)
def test_without_the_library_the_error_has_the_pip_line(monkeypatch, name, extra):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError) as error:
        embed(IMAGES, encoder=name)
    assert str(error.value) == (
        f"The encoder {name!r} needs the package 'transformers', which is not installed. Install "
        f"it with: pip install 'curalab[{extra}]'"
    )


def test_texts_that_need_one_more_package_say_so(folders, tmp_path, monkeypatch):
    import transformers

    def without(folder, **settings):
        raise ImportError("SiglipTokenizer requires the SentencePiece library")

    folder = str(shutil.copytree(folders["siglip"], tmp_path / "model"))
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", without)
    with pytest.raises(MissingExtraError) as error:
        embed(TEXTS, encoder=SigLIP(model=folder))
    assert str(error.value) == (
        f"The texts of the model in {folder!r} need a package that is not installed. Install it "
        "with: pip install sentencepiece protobuf"
    )
    assert len(embed(IMAGES, encoder=SigLIP(model=folder))) == 4


def test_settings_out_of_range_and_devices_that_are_not_there(folders):
    for made in (DINOv2, CLIP, SigLIP):
        with pytest.raises(ValueError) as error:
            made(batch_size=0)
        assert str(error.value) == (
            "The 'batch_size' parameter must be an integer of 1 or more. Got 0 instead."
        )
    with pytest.raises(ValueError, match="The 'device' parameter must be 'auto' or a device"):
        embed(IMAGES, encoder=DINOv2(model=folders["dinov2"], device="warp:9"))


def test_loading_says_nothing_and_leaves_the_library_as_it_was(folders, capsys):
    from transformers.utils import logging

    _pretrained._load.cache_clear()
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embed(IMAGES, encoder=DINOv2(model=folders["dinov2"]), cache=False)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
    told = capsys.readouterr()
    assert told.out == told.err == ""
