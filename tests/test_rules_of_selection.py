"""Signals, cascades and funnels: by hand, with planted rows, as decisions, and their errors."""

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.selectors._cascade import Cascade, cascade, funnel
from curalab.selectors._signals import signals

ITEMS = pd.DataFrame(
    {"width": [640, 64, 800, 512], "score": [0.9, 0.8, np.nan, 0.1], "text": ["a", "b", None, "d"]},
    index=list("wxyz"),
)


# ---- signals -------------------------------------------------------------------------------------


def test_signals_of_words_by_hand():
    texts = ["One two  two!", "one TWO two!", "a b c a b c", "", None]
    found = signals(pd.DataFrame({"t": texts}, index=list("vwxyz")), text="t")
    assert found.index.tolist() == list("vwxyz")
    assert found["word_length"].tolist()[:3] == pytest.approx([10 / 3, 10 / 3, 1])
    assert found["unique_words"].tolist()[:3] == [1, 1, 0.5]
    assert found["repeated_words"].tolist() == [0, 0, 0.25, 0, 0]
    assert found["symbols"].tolist() == [0.1, 0.1, 0, 0, 0]
    assert found["n_copies"].tolist() == [2, 2, 1, 2, 2]
    assert found[["word_length", "unique_words", "perplexity"]].iloc[3:].isna().all(axis=None)
    assert "n_characters" in found  # those of text_quality


def test_perplexity_by_hand_from_a_reference():
    # One word of one: (1 + 5/3) / (1 + 5) with "a", "b" and an unseen word in the vocabulary.
    found = signals(pd.DataFrame({"t": ["a", "b"]}), text="t", reference=["a"])
    assert found["perplexity"].tolist() == pytest.approx([6 / (1 + 5 / 3), 6 / (5 / 3)])


def test_perplexity_tells_gibberish_and_the_reference_says_what_is_usual():
    rng = np.random.default_rng(0)
    usual = [
        " ".join(f"{a} {b}" for a, b in zip(*rng.choice(list("pqr"), (2, 6)), strict=True))
        for _ in range(40)
    ]
    strange = [" ".join(rng.choice(list("stuvwxyz"), 12)) for _ in range(4)]
    frame = pd.DataFrame({"t": usual + strange})
    plain = signals(frame, text="t")["perplexity"]
    assert plain[:40].max() < plain[40:].min()
    turned = signals(frame, text="t", reference=strange)["perplexity"]
    assert turned[:40].min() > turned[40:].max()


def test_results_and_own_signals_stand_beside():
    emb = cl.Embedding(vectors=np.random.default_rng(0).normal(size=(4, 3)), ids=ITEMS.index)
    odd = cl.find_outliers(emb, random_state=0, method=lambda pool, rng: np.arange(4.0))
    found = signals(ITEMS, results=[odd], extra={"half": lambda rows: rows["width"] / 2})
    assert found["half"].tolist() == [320, 32, 400, 256]
    assert found["outlier_oddness"].tolist() == [0, 1, 2, 3]


def test_signals_of_images():
    images = list(np.random.default_rng(0).integers(0, 256, (3, 16, 16)).astype(np.uint8))
    found = signals(pd.DataFrame({"i": images, "t": list("abc")}), image="i", text="t")
    assert found["image_width"].tolist() == [16, 16, 16]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {},
            "The 'text' parameter must be given, or one of image, results and extra. "
            "Got None instead.",
        ),
        (
            {"extra": {"bad": lambda rows: rows["nothing"]}},
            "The signal 'bad' must work on the items. Got KeyError: 'nothing' instead.",
        ),
        (
            {"extra": {"bad": lambda rows: 1}},
            "The signal 'bad' must return 4 numbers, one a row. Got shape (), dtype int64 instead.",
        ),
        (
            {"text": "tex"},
            "The 'text' parameter must be one of the columns 'width', 'score', 'text'. "
            "Got 'tex' instead. Did you mean 'text'?",
        ),
    ],
)
def test_errors_of_signals(settings, text):
    with pytest.raises(ValueError) as caught:
        signals(ITEMS, **settings)
    assert str(caught.value) == text


# ---- cascades ------------------------------------------------------------------------------------


def test_a_cascade_by_hand_of_every_kind_of_rule():
    seen = []

    def cell(text):
        seen.append(text)
        return text != "d"

    rules = {
        "scored": "score.notna()",
        "large": lambda rows: rows["width"] > 100,
        "no d": ("text", cell),
        "mask": pd.Series([True, False, True, True], index=list("zyxw")),
    }
    found = cascade(ITEMS, rules)
    assert seen == ["a", "d"]  # the others never reached this rule
    assert found.rule.tolist() == ["", "large", "scored", "no d"]
    assert found.keep.tolist() == [True, False, False, False]
    columns = ["rule", "n_in", "dropped", "missing", "kept", "share"]
    assert found.attrition[columns].values.tolist() == [
        ["scored", 4, 1, 0, 3, 0.75],
        ["large", 3, 1, 0, 2, 0.5],
        ["no d", 2, 1, 0, 1, 0.25],
        ["mask", 1, 0, 0, 1, 0.25],
    ]
    assert repr(found) == "Cascade(4 items, 1 kept by 4 rules)"
    assert cl.join(ITEMS, found)["cascade_rule"].tolist() == found.rule.tolist()


def test_missing_values_are_an_error_or_as_stated():
    with pytest.raises(ValueError) as caught:
        cascade(ITEMS, {"good": "score > 0.5"})
    assert str(caught.value) == (
        "The rule 'good' must find a value in every row that reaches it. Got missing values in 1 "
        "rows (ids 'y') instead. Pass missing='drop' or missing='keep'."
    )
    for missing, keep in (("drop", [1, 1, 0, 0]), ("keep", [1, 1, 1, 0])):
        for rule in ("score > 0.5", ("score", lambda s: s > 0.5)):
            found = cascade(ITEMS, {"good": rule}, missing=missing)
            assert found.keep.tolist() == keep
            assert found.attrition["missing"].tolist() == [1]
    assert cascade(ITEMS, {"good": "score.isna() | (score > 0.5)"}).keep.tolist() == [1, 1, 1, 0]
    found = cascade(ITEMS, {"big first": "width > 900", "good": "score > 0.5"})
    assert found.attrition["n_in"].tolist() == [4, 0]  # nothing is missing where nothing is left


def test_results_of_other_stages_are_rules():
    x = np.array([[0.0], [0], [0], [9]])
    emb = cl.Embedding(vectors=x, ids=ITEMS.index, metric="euclidean")
    dup = cl.find_duplicates(emb, threshold=0.99)
    kept = ITEMS.index[dup.keep & (dup.group >= 0)][0]
    assert cascade(ITEMS, {"copies": dup}).keep.sum() == 2
    # Where the one to be kept is gone already, another of its group stays.
    others = ITEMS.index != kept
    found = cascade(ITEMS, {"not that one": others, "copies": dup})
    assert found.keep.sum() == 2
    assert not found.keep[ITEMS.index == kept]
    odd = cl.find_outliers(emb, expected_share=0.25, method=lambda pool, rng: x[:, 0])
    assert cascade(ITEMS, {"odd": odd}).rule.tolist() == ["", "", "", "odd"]
    pick = cl.select(emb, 2, method="random", random_state=0)
    assert set(ITEMS.index[cascade(ITEMS, {"picked": pick}).keep]) == set(pick.ids)
    fresh = cascade(
        ITEMS, {"copies": lambda rows: cl.find_duplicates(emb.take(rows.index), threshold=0.99)}
    )
    assert fresh.keep.sum() == 2


def test_a_cascade_is_kept_and_becomes_decisions(tmp_path):
    found = cascade(
        ITEMS, {"large": "width > 100", "no d": ("text", lambda t: t != "d")}, missing="keep"
    )
    found.save(tmp_path / "cascade")
    again = Cascade.open(tmp_path / "cascade")
    assert again.rule.tolist() == found.rule.tolist()
    pd.testing.assert_frame_equal(again.attrition, found.attrition)
    with cl.Ledger(tmp_path / "ledger") as ledger:
        assert len(found.accept(ledger, actor="ann", rules="large")) == 1
        assert ledger.apply(ITEMS).index.tolist() == list("wyz")
        found.accept(ledger, actor="ann", rules=["no d"])
        assert ledger.apply(ITEMS).index.tolist() == list("wy")
        told = ledger.to_frame()
        assert told["reason"].tolist() == ["fails the rule 'large'", "fails the rule 'no d'"]
        with pytest.raises(ValueError) as caught:
            found.accept(ledger, actor="ann", rules="larg")
    assert str(caught.value) == (
        "The 'rules' parameter must be one of 'large', 'no d'. Got 'larg' instead. "
        "Did you mean 'large'?"
    )


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            lambda rows: rows["height"] > 3,
            "The rule 'r' must work on the rows that reach it. Got KeyError: 'height' instead.",
        ),
        (
            ("width", lambda width: {640: True}[int(width)]),
            "The rule 'r' must work on the rows that reach it. "
            "Got KeyError: 64 for the id 'x' instead.",
        ),
        (
            lambda rows: "a" in rows["text"],
            "The rule 'r' must return 4 values of True or False, one a row. Got one value instead. "
            "For a rule about one cell pass (column, function).",
        ),
        (
            "width * 2",
            "The rule 'r' must return True or False for each row. "
            "Got 1280, 128, 1600 and 1 more instead.",
        ),
        (
            cl.Embedding(vectors=np.eye(4), ids=list("wxyz")),
            "The rule 'r' must be a result that says which rows to keep (Duplicates, Selection, "
            "Cascade, Outliers, LabelErrors). Got Embedding instead.",
        ),
    ],
)
def test_errors_name_the_rule(rule, text):
    with pytest.raises(ValueError) as caught:
        cascade(ITEMS, {"r": rule})
    assert str(caught.value) == text


def test_rules_are_a_mapping():
    with pytest.raises(TypeError) as caught:
        cascade(ITEMS, {})
    assert str(caught.value) == (
        "The 'rules' parameter must be a mapping of names to rules, at least one. "
        "Got 0 rules instead."
    )


# ---- funnels -------------------------------------------------------------------------------------


def test_a_funnel_measures_what_stays_and_what_goes():
    items = pd.DataFrame({"n": [3, 40, 50, 60], "quality": [0.1, 0.9, 0.7, 0.2]})
    found = funnel(items, {"long": "n >= 10", "good": "quality > 0.5"}, measures=["quality"])
    table = found.attrition
    assert table["rule"].tolist() == ["all items", "long", "good"]
    assert table["kept"].tolist() == [4, 3, 2]
    assert table["quality"].tolist() == pytest.approx([0.475, 0.6, 0.8])
    assert table["quality_dropped"].tolist() == pytest.approx([np.nan, 0.1, 0.2], nan_ok=True)
    assert found.rule.tolist() == cascade(items, found.params["rules"]).rule.tolist()


def test_a_funnel_on_planted_noise_raises_the_share_of_good_rows():
    rng = np.random.default_rng(0)
    good = rng.random(400) < 0.5
    words = np.array(["the", "room", "was", "very", "clean", "and", "quiet", "we", "liked", "it"])
    texts = [
        " ".join(rng.choice(words, 12)) if is_good else " ".join(["win"] * rng.integers(2, 12))
        for is_good in good
    ]
    items = pd.DataFrame({"text": texts, "good": good.astype(float)})
    items = cl.join(items, signals(items, text="text"))
    steps = {"words": "unique_words >= 0.5", "copies": "n_copies == 1"}
    table = funnel(items, steps, measures=["good"]).attrition
    assert table["good"].iloc[0] == pytest.approx(0.5, abs=0.06)
    assert table["good"].iloc[-1] > 0.95


@pytest.mark.parametrize(
    ("measures", "text"),
    [
        ("score", "The 'measures' parameter must be a list of columns. Got 'score' instead."),
        (
            ["text"],
            "The 'measures' parameter must be numeric columns. Got 'text', which is not instead.",
        ),
    ],
)
def test_errors_of_funnels(measures, text):
    with pytest.raises(TypeError) as caught:
        funnel(ITEMS, {"large": "width > 100"}, measures=measures)
    assert str(caught.value) == text
