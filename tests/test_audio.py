"""Sounds of every kind, their spectra, and pretrained models that hear."""

import io
import json
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

from curalab._check import MissingExtraError
from curalab.encoders import CLAP, LogMel, Wav2Vec2, _sounds, embed
from curalab.encoders._sounds import Sounds, mel_bands, mel_filters, opened, pieces
from curalab.testing import check_encoder

RNG = np.random.default_rng(0)
RATE = 8_000
RAMP = (np.arange(-50, 50) * 300).astype(np.int16)
FLOAT = (RAMP / 32768).astype(np.float32)


def tone(pitch, seconds=0.5, rate=RATE):
    return np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)


def written(samples, rate=RATE):
    stream = io.BytesIO()
    wavfile.write(stream, rate, samples)
    return stream.getvalue()


# ---- one sound -----------------------------------------------------------------------------------


def test_files_pairs_and_samples_are_the_same(tmp_path):
    path = tmp_path / "sound.wav"
    path.write_bytes(written(RAMP))
    for item in (path, str(path), (RATE, RAMP), [RATE, RAMP], wavfile.read(path), (RATE, FLOAT)):
        rate, samples = opened(item)
        assert (rate, samples.dtype) == (RATE, np.float32)
        assert np.array_equal(samples, FLOAT)
    assert opened(RAMP).rate is None
    assert np.array_equal(opened(list(FLOAT)).samples, FLOAT)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (np.array([0, 128, 255], np.uint8), [-1, 0, 127 / 128]),
        (np.array([-(2**15), 2**14], np.int16), [-1, 0.5]),
        (np.array([-(2**31), 2**30], np.int32), [-1, 0.5]),
        (np.array([0.25, -3.0]), [0.25, -3]),
        (np.array([[0.5, 0.0], [1.0, -1.0]]), [0.25, 0]),
    ],
)
def test_samples_of_every_type(item, expected):
    assert opened((RATE, item)).samples.tolist() == expected
    if item.dtype != np.float64:
        stream = io.BytesIO(written(item))
        assert np.array_equal(wavfile.read(stream)[1], item)


def test_a_rate_is_changed_and_the_sound_is_not():
    for rate in (4_000, 16_000, 44_100):
        made = opened((rate, tone(440, rate=rate))).at(RATE)
        assert made.dtype == np.float32
        assert len(made) == RATE // 2
        assert np.corrcoef(made[100:-100], tone(440)[100:-100])[0, 1] > 0.999
    assert np.array_equal(opened(FLOAT).at(44_100), FLOAT)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (None, "no sound"),
        (np.nan, "no sound"),
        (7, "not a sound but 7"),
        ("gone.wav", "no such file"),
        (np.zeros(0), "no samples"),
        ((RATE, np.zeros(0, np.int16)), "no samples"),
        ((0, RAMP), "a rate of 0 samples a second"),
        ((RAMP, RATE), "a tuple instead of (rate, samples)"),
        ((RATE, RAMP, 3), "a tuple instead of (rate, samples)"),
        ((RATE, 3.5), "a tuple instead of (rate, samples)"),
        ((RATE, np.array([0.0, np.nan])), "NaN or infinite samples"),
        ((RATE, np.zeros((2, 16_000))), "shape (2, 16000) instead of (n,) or (n, channels)"),
        ((RATE, np.zeros((9, 2, 2))), "shape (9, 2, 2) instead of (n,) or (n, channels)"),
        ((RATE, np.array(["a"])), "dtype <U1 instead of numbers"),
    ],
)
def test_what_is_no_sound_has_a_reason(item, reason):
    assert Sounds([item], pd.Index(["x"])).unreadable() == {0: reason}


# ---- many sounds ---------------------------------------------------------------------------------


def test_unreadable_sounds_are_reported_all_together(tmp_path):
    whole = written(RAMP)
    files = {
        "good": whole,
        "none": written(RAMP[:0]),
        "cut": whole[:-100],
        "head": whole[:30],
        "song": b"ID3 and more",
        "empty": b"",
    }
    for name, content in files.items():
        (tmp_path / f"{name}.wav").write_bytes(content)
    data = pd.Series({name: str(tmp_path / f"{name}.wav") for name in files})
    with pytest.raises(ValueError) as error:
        embed(data, encoder="log_mel")
    assert str(error.value) == (
        "The 'data' parameter must be sounds that can be read. Got 5 of 6 rows that cannot be "
        "read ('none': no samples; 'cut': the file is cut off; 'head': the file is cut off; "
        "'song': not a wav file; 'empty': an empty file) instead. Drop these rows, or pass "
        "unreadable='skip'; check_items(items) lists all of them."
    )
    assert len(embed(data[:1], encoder="log_mel")) == 1


def test_a_loop_over_sounds_ends():
    sounds = Sounds([RAMP, FLOAT], pd.RangeIndex(2))
    assert [len(sound.samples) for sound in sounds] == [100, 100]
    assert sounds[-1].samples.shape == (100,)
    checked = check_encoder(LogMel(), [RNG.normal(size=900) for _ in range(5)])
    assert checked["kept"].eq(True).sum() == 5


def test_a_file_that_was_written_as_it_came_is_whole(tmp_path):
    path = tmp_path / "sound.wav"
    raw = written(RAMP)
    at = raw.index(b"data") + 4
    path.write_bytes(raw[:4] + b"\xff" * 4 + raw[8:at] + b"\xff" * 4 + raw[at + 4 :])
    assert np.array_equal(opened(path).samples, FLOAT)


def test_what_holds_the_sound_does_not_matter_to_the_cache(tmp_path):
    (tmp_path / "sound.wav").write_bytes(written(RAMP))
    data = [[tmp_path / "sound.wav"], [(RATE, RAMP)], pd.Series([(RATE, FLOAT)])]
    made = [embed(item, encoder="log_mel").params["data"] for item in data]
    assert len(set(made)) == 1
    assert embed([(RATE + 1, RAMP)], encoder="log_mel").params["data"] != made[0]
    assert embed([RAMP], encoder="log_mel").params["data"] != made[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            pd.DataFrame({"audio": ["a.wav"]}),
            "one column of audio for the encoder 'log_mel'. Got a DataFrame with the columns "
            "'audio' instead. Pass a column: data['audio'].",
        ),
        ("a.wav", "a Series, a list, an array or a DataFrame. Got str instead."),
    ],
)
def test_what_is_no_row_of_sounds_is_refused(data, message):
    with pytest.raises(TypeError) as error:
        embed(data, encoder="log_mel")
    assert str(error.value) == f"The 'data' parameter must be {message}"


# ---- spectra -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pitch", [100, 440, 1_000, 3_500])
def test_a_tone_is_in_the_band_of_its_pitch(pitch):
    power = mel_bands(tone(pitch), rate=RATE, n_bands=20)
    assert power.shape == (48, 20)  # half a second but for the last frames' width
    mel = 2595 * np.log10(1 + np.array([50, pitch, RATE / 2]) / 700)
    place = (mel[1] - mel[0]) / (mel[2] - mel[0]) * 21 - 1  # middles of bands are whole numbers
    assert abs(power.mean(axis=0).argmax() - place) < 0.75


def test_the_bands_cover_all_pitches():
    filters = mel_filters(RATE, 20)
    frequency = np.fft.rfftfreq(2 * (filters.shape[1] - 1), 1 / RATE)
    centre = 700 * (10 ** (np.linspace(*_mel(50, RATE / 2), 22) / 2595) - 1)
    inside = (frequency > centre[1]) & (frequency < centre[-2])
    assert inside.sum() > 80
    assert np.allclose(filters.sum(axis=0)[inside], 1)


def _mel(*frequencies):
    return [2595 * np.log10(1 + f / 700) for f in frequencies]


def test_long_sounds_are_transformed_in_parts(monkeypatch):
    noise = RNG.normal(size=5_000).astype(np.float32)
    whole = mel_bands(noise, rate=RATE, n_bands=10)
    monkeypatch.setattr(_sounds, "_FRAMES", 7)
    assert np.allclose(mel_bands(noise, rate=RATE, n_bands=10), whole, rtol=1e-5)


def test_log_mel_by_hand():
    noise = RNG.normal(size=RATE).astype(np.float32)
    encoder = LogMel(sample_rate=RATE, n_bands=6, n_parts=2)
    power = mel_bands(noise, rate=RATE, n_bands=6)
    level = 10 * np.log10(power)
    level -= level.mean()
    half = len(level) // 2
    expected = [
        level[:half].mean(0),
        level[half:].mean(0),
        level.std(0),
        np.diff(level, axis=0).std(0),
    ]
    emb = embed([noise], encoder=encoder)
    assert emb.metric == "euclidean"
    assert np.allclose(emb.vectors[0], np.concatenate(expected), atol=1e-3)


def test_log_mel_does_not_hear_how_loud():
    noise = RNG.normal(size=RATE)
    loud, quiet = embed([noise, noise / 50], encoder="log_mel", cache=False).vectors
    assert np.allclose(loud, quiet, atol=1e-3)


def test_log_mel_hears_order_in_its_parts():
    ab = np.concatenate([tone(300), tone(2_000)])
    both = [(RATE, ab), (RATE, ab[::-1].copy())]
    apart = embed(both, encoder=LogMel()).vectors
    alike = embed(both, encoder=LogMel(n_parts=1)).vectors
    assert np.linalg.norm(apart[0] - apart[1]) > 100
    assert np.linalg.norm(alike[0] - alike[1]) < 10


def test_log_mel_places_sounds_beside_their_like():
    sounds, kinds = [], []
    for i in range(24):
        made = RNG.normal(size=4_000) * 0.05
        made += (i % 3 == 0) * tone(400 + 5 * i) + (i % 3 == 1) * tone(1_500 + 10 * i)
        sounds.append((RATE, made * RNG.uniform(0.1, 1)))
        kinds.append(i % 3)
    nearest = embed(sounds, encoder="log_mel").neighbors(3).indices
    assert (np.array(kinds)[nearest] == np.array(kinds)[:, None]).all()


@pytest.mark.parametrize("n", [1, 2, 399, 401, 561])
def test_log_mel_on_next_to_nothing(n):
    emb = embed([np.ones(n), np.zeros(n), RNG.normal(size=n)], encoder=LogMel(n_parts=4))
    assert emb.shape == (3, 240)
    assert np.isfinite(emb.vectors).all()
    assert not emb.vectors[1].any()  # silence


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"sample_rate": 10},
            "The 'sample_rate' parameter must be an integer of 1000 or more. Got 10 instead.",
        ),
        (
            {"n_bands": 1},
            "The 'n_bands' parameter must be an integer from 2 to 128. Got 1 instead.",
        ),
        (
            {"n_bands": 128},
            "The 'n_bands' parameter must be small enough for a sample_rate of 16000: some bands "
            "hold nothing. Got 128 instead.",
        ),
        ({"n_parts": 0}, "The 'n_parts' parameter must be an integer of 1 or more. Got 0 instead."),
        (
            {"batch_size": 0},
            "The 'batch_size' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
    ],
)
def test_log_mel_refuses_settings_out_of_range(settings, message):
    with pytest.raises(ValueError) as error:
        LogMel(**settings)
    assert str(error.value) == message


@pytest.mark.data
def test_log_mel_knows_spoken_digits_and_who_speaks(bench_data):
    sounds, told = [], []
    with zipfile.ZipFile(bench_data / "fsdd_shared" / "audio.zip") as archive:
        for name in archive.namelist():
            if name.endswith(".wav"):
                sounds.append(wavfile.read(io.BytesIO(archive.read(name))))
                told.append((name.split("/")[0], name.split("_")[1]))
    emb = embed(sounds, encoder="log_mel")
    nearest = emb.neighbors(5).indices
    for truth, least in zip(np.array(told).T, (0.96, 0.98), strict=True):
        votes = pd.DataFrame(truth[nearest]).mode(axis=1)[0]
        assert (votes == truth).mean() >= least


# ---- pretrained models ---------------------------------------------------------------------------


def test_pieces_are_of_one_length_and_their_sounds_are_known():
    sounds = [np.full(n, float(i)) for i, n in enumerate((25, 10, 3, 10, 21, 1))]
    made = list(pieces(sounds, at_most=10, at_least=2, together=3))
    assert [(owners, block.shape) for owners, block in made] == [
        ([0, 0, 1], (3, 10)),
        ([3, 4, 4], (3, 10)),
        ([0], (1, 5)),
        ([2], (1, 3)),
        ([5], (1, 2)),  # filled up; the last sample of sound 4 is left out
    ]
    for owners, block in made[:-1]:
        assert (block == np.array(owners)[:, None]).all()
    assert made[-1][1].tolist() == [[5, 0]]


def saved(folder, model, settings):
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return str(folder)


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """The folder of a tiny wav2vec 2.0 that hears 8,000 samples a second."""
    transformers = pytest.importorskip("transformers")
    config = transformers.Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8),
        conv_stride=(5, 2),
        conv_kernel=(10, 3),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    settings = {"sampling_rate": RATE, "do_normalize": True}
    folder = tmp_path_factory.mktemp("speech")
    return saved(folder, transformers.Wav2Vec2Model(config), settings)


def test_wav2vec2_is_the_mean_over_time(speech):
    import torch
    from transformers import Wav2Vec2Model

    sounds = [RNG.normal(size=n) for n in (800, 1_200, 800, 30)]
    encoder = Wav2Vec2(model=speech)
    emb = embed([(RATE, sound) for sound in sounds], encoder=encoder)
    model = Wav2Vec2Model.from_pretrained(speech).eval()
    for sound, vector in zip(sounds, emb.vectors, strict=True):
        levelled = (sound - sound.mean()) / sound.std()
        heard = model(torch.tensor(levelled[None], dtype=torch.float32)).last_hidden_state
        mean = heard.mean(dim=1)[0].detach().numpy()
        assert np.allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)
    assert emb.shape == (4, 16)
    assert emb.metric == "cosine"
    origin = emb.params["origin"]
    assert (origin["from"], len(origin["hash"])) == ("path", 32)
    alone = embed([(RATE, sound) for sound in sounds], encoder=Wav2Vec2(model=speech, batch_size=1))
    assert np.allclose(alone.vectors, emb.vectors, atol=1e-5)


def test_wav2vec2_hears_long_sounds_in_pieces_and_short_ones_at_all(speech, monkeypatch):
    import torch
    from transformers import Wav2Vec2Model

    monkeypatch.setattr("curalab.encoders.wav2vec2._SECONDS", 1)
    noise = RNG.normal(size=20_000).astype(np.float32)
    sounds = [(RATE, noise), (RATE, np.ones(1)), (RATE, np.zeros(500))]
    long, short, silent = embed(sounds, encoder=Wav2Vec2(model=speech)).vectors
    model = Wav2Vec2Model.from_pretrained(speech).eval()
    levelled = torch.tensor((noise - noise.mean()) / noise.std())[None]
    moments = [model(levelled[:, at : at + RATE]).last_hidden_state for at in (0, 8_000, 16_000)]
    mean = torch.cat(moments, dim=1).mean(dim=1)[0].detach().numpy()
    assert np.allclose(long, mean / np.linalg.norm(mean), atol=1e-5)
    assert np.isfinite([short, silent]).all()


def test_sounds_of_another_rate_are_brought_to_the_models(speech):
    encoder = Wav2Vec2(model=speech)
    given = [(RATE, tone(440)), (16_000, tone(440, rate=16_000)), tone(440)]
    vectors = embed(given, encoder=encoder).vectors
    assert vectors[0] @ vectors[1] > 0.999
    assert np.allclose(vectors[0], vectors[2], atol=1e-6)


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """The folder of a tiny CLAP that hears a second of 8,000 samples at a time."""
    transformers = pytest.importorskip("transformers")
    from test_pretrained import write_tokenizer

    sizes = {"num_attention_heads": 2, "num_hidden_layers": 1, "projection_dim": 12}
    text = {"hidden_size": 16, "intermediate_size": 16, "vocab_size": 40}
    text |= {"max_position_embeddings": 20, "pad_token_id": 1}
    audio = {"spec_size": 64, "num_mel_bins": 16, "window_size": 4, "patch_embeds_hidden_size": 8}
    audio |= {"patch_size": 4, "patch_stride": [4, 4], "hidden_size": 16, "depths": [1, 1]}
    audio |= {"num_attention_heads": [2, 2], "num_classes": 4, "projection_dim": 12}
    config = transformers.ClapConfig(
        text_config=text | sizes, audio_config=audio, projection_dim=12
    )
    settings = {
        "feature_extractor_type": "ClapFeatureExtractor",
        "feature_size": 16,
        "sampling_rate": RATE,
        "hop_length": 100,
        "max_length_s": 1,
        "fft_window_size": 256,
        "frequency_min": 50,
        "frequency_max": 4_000,
        "truncation": "rand_trunc",
    }
    folder = tmp_path_factory.mktemp("clap")
    write_tokenizer(folder)
    return saved(folder, transformers.ClapModel(config), settings)


TEXTS = ["a dog", "rain on a roof", "the sea at night"]


def test_clap_sounds_and_texts_compare_as_the_model_says(heard):
    import torch
    from transformers import AutoFeatureExtractor, AutoTokenizer, ClapModel

    sounds = [RNG.normal(size=n).astype(np.float32) for n in (8_000, 3_000, 500)]
    encoder = CLAP(model=heard)
    emb = embed([(RATE, sound) for sound in sounds], encoder=encoder)
    texts = embed(TEXTS, encoder=emb.encoder)
    assert emb.shape == texts.shape == (3, 12)
    model = ClapModel.from_pretrained(heard).eval()
    made = AutoFeatureExtractor.from_pretrained(heard)(
        sounds, sampling_rate=RATE, return_tensors="pt"
    )
    tokens = AutoTokenizer.from_pretrained(heard)(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        answer = model(
            input_ids=tokens["input_ids"],
            attention_mask=tokens["attention_mask"],
            input_features=made["input_features"].float(),
            is_longer=made["is_longer"],
        )
    expected = (answer.logits_per_audio / model.logit_scale_a.exp()).detach().numpy()
    assert np.allclose(emb.vectors @ texts.vectors.T, expected, atol=1e-5)
    assert np.ptp(expected) > 0.01


def test_clap_hears_all_of_a_long_sound_and_never_draws(heard):
    noise = RNG.normal(size=2 * RATE + 4_000)
    encoder = CLAP(model=heard)
    parts = [(RATE, noise[:RATE]), (RATE, noise[RATE : 2 * RATE]), (RATE, noise[2 * RATE :])]
    one, two, rest = embed(parts, encoder=encoder, cache=False).vectors
    first, second = (
        embed([(RATE, noise)], encoder=encoder, cache=False).vectors[0] for _ in range(2)
    )
    mean = one + two + 0.5 * rest
    assert np.array_equal(first, second)
    assert np.allclose(first, mean / np.linalg.norm(mean), atol=1e-5)


def test_clap_cuts_long_texts(heard):
    long, cut = embed(["sea " * 5_000, "sea " * 30], encoder=CLAP(model=heard)).vectors
    assert np.allclose(long, cut, atol=1e-6)


@pytest.mark.parametrize("name", ["wav2vec2", "clap"])
def test_without_the_library_the_error_has_the_pip_line(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError) as error:
        embed([(RATE, RAMP)], encoder=name)
    assert str(error.value) == (
        f"The encoder {name!r} needs the package 'transformers', which is not installed. Install "
        "it with: pip install 'curalab[audio]'"
    )
