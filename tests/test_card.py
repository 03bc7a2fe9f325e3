"""What a card tells in numbers, what people answer in it, and what messy data do to it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.documents._card import Card, card
from curalab.documents._columns import columns_told
from curalab.documents._markdown import facts_of, parts_of, plain, quoted
from curalab.documents._sections import steps_of

NASTY = [
    "a|b",
    "---",
    "<script>alert(1)</script>",
    "key: value\n# heading\n- item",
    "🙂 אבג \u202eabc",
    "[x](javascript:alert(1))",
    "`code` **bold** _it_ ~~no~~ &amp; \\",
    "\x00\x85\ud800",
]


@pytest.fixture
def ledger(tmp_path):
    with cl.Ledger(tmp_path / "x.ledger") as opened:
        yield opened


def table_of(text, heading):
    """Return the rows of the first table under a heading, as a renderer splits them."""
    lines = text.split(f"{heading}\n", 1)[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([c.strip() for c in line.replace("\\|", "\0").strip("|").split("|")])
    return [rows[0], *rows[2:]]


# ---- numbers -------------------------------------------------------------------------------------


def test_columns_are_told_by_their_ranges():
    items = pd.DataFrame(
        {
            "n": [1, 2, 30_000.5, None],
            "text": ["ab", "abcd", "abcdef", None],
            "when": pd.to_datetime(["2020-01-02", None, "2021-03-04", None]),
            "ok": [True, False, True, True],
            "image": [np.zeros((8, 6)), np.zeros((4, 10, 3)), None, None],
            "kind": pd.Categorical(["x", "y", "x", "x"]),
            "none": [None] * 4,
            "list": [["a"], [], [], []],
        }
    )
    told = columns_told(items).set_index("column")
    assert told["missing"].tolist() == ["1", "1", "2", "0", "2", "0", "4", "0"]
    assert told[["holds", "values"]].values.tolist() == [
        ["numbers", "1 to 30,000.5, median 2"],
        ["texts", "3 distinct; 2 to 6, median 4 characters"],
        ["dates", "2020-01-02 to 2021-03-04"],
        ["yes or no", "75.0% yes"],
        ["images", "6×4 to 10×8 pixels"],
        ["texts", "2 distinct; 1 to 1, median 1 characters"],
        ["nothing", ""],
        ["list", ""],
    ]


def test_image_files_are_measured_and_missing_ones_counted(tmp_path):
    from PIL import Image

    Image.new("RGB", (7, 5)).save(tmp_path / "a.png")
    items = pd.DataFrame({"file": [str(tmp_path / "a.png"), str(tmp_path / "lost.png")]})
    assert columns_told(items)["values"][0] == "7×5 to 7×5 pixels; 1 cannot be opened"
    many = pd.DataFrame({"image": [np.zeros((2, 2))] * 2_500})
    assert columns_told(many)["values"][0] == "2×2 to 2×2 pixels; 834 looked at"


def test_the_funnel_counts_rows_step_by_step(ledger):
    items = pd.DataFrame({"label": list("aabb") * 5})
    for i in (0, 1, 2):
        ledger.record(i, action="drop", actor="rule", method="near_text", reason="copy")
    ledger.record(3, action="relabel", field="label", new="a", actor="Ann")
    for i in (4, 5):
        ledger.record(i, action="drop", actor="Ann", reason="broken")
    ledger.record(6, action="weight", new=0.5, actor="Ann")
    clean = ledger.apply(items)
    steps = steps_of(clean, ledger.decisions())
    assert steps["items"].tolist() == [3, 1, 2, 1]
    assert steps["gone"].tolist() == [3, 0, 2, 0]
    assert steps["rows left"].tolist() == [17, 17, 15, 15]
    text = card(clean, ledger)
    assert "20 rows came in, 15 are left." in text
    assert table_of(text, "### Annotators")[0] == ["actor", "drop", "relabel", "weight"]
    assert table_of(text, "### Annotators")[1:] == [["Ann", "2", "1", "1"], ["rule", "3", "0", "0"]]


def test_a_table_that_the_ledger_was_not_applied_to_is_told(ledger):
    items = pd.DataFrame({"label": list("ab") * 5})
    ledger.record(0, action="drop", actor="Ann")
    text = card(items, ledger)
    assert "10 rows came in, 10 are left." in text
    assert "The table still holds 1 rows that the ledger drops." in text


def test_reasons_written_row_by_row_become_one_step(ledger):
    items = pd.DataFrame({"label": ["a"] * 80})
    notes = [f"note {i}" for i in range(60)]
    frame = pd.DataFrame({"row_id": range(60), "action": "drop", "actor": "Ann", "reason": notes})
    ledger.record_many(frame)
    ledger.record(70, action="keep", actor="Ben", reason="fine")
    steps = steps_of(ledger.apply(items), ledger.decisions())
    assert steps[["reason", "items", "rows left"]].values.tolist() == [
        ["60 reasons", 60, 20],
        ["fine", 1, 20],
    ]


def test_balance_by_class_split_and_group(ledger):
    items = pd.DataFrame(
        {
            "label": ["a"] * 30 + ["b"] * 10,
            "split": (["train"] * 3 + ["test"]) * 10,
            "site": ["x", "y"] * 20,
        }
    )
    x = np.random.default_rng(0).normal(size=(40, 4))
    report = cl.audit(
        items, embedding=x, labels="label", groups="site", split="split", random_state=0
    )
    text = card(items, ledger, audit=report)
    assert table_of(text, "### `label` by `split`") == [
        ["label", "test", "train"],
        ["a", "7", "23"],
        ["b", "3", "7"],
    ]
    assert table_of(text, "### `label` by `site`")[1:] == [["a", "15", "15"], ["b", "5", "5"]]
    assert table_of(text, "### Split `split`")[1:] == [
        ["train", "30", "75.0 %"],
        ["test", "10", "25.0 %"],
    ]
    assert "- **`label` is uneven**: a has 30 items, b 10, 3.0 times less." in text


def test_what_is_still_there_of_a_finding_is_counted(ledger):
    items = pd.DataFrame({"label": list("ab") * 20})
    x = np.random.default_rng(0).normal(size=(40, 4))
    x[[5, 7, 9]] = x[[1, 3, 11]]
    report = cl.audit(items, embedding=x, random_state=0)
    ids = report.rows("duplicates")
    assert len(ids) == 3
    ledger.record(ids[0], action="drop", actor="Ann")
    ledger.record(ids[1], action="keep", actor="Ann")
    text = card(ledger.apply(items), ledger, audit=report)
    assert "3 items, 7.5%, 1 still here undecided. Copies count several times." in text


def test_without_an_audit_the_card_says_what_is_not_known(ledger):
    text = card(pd.DataFrame({"label": ["a", None]}), ledger)
    assert "- No audit was given: copies, wrong labels, shift and leakage are not known." in text
    assert "- **Missing values**: 50.0% of `label`." in text


def test_agreement_comes_from_the_ledger():
    class Found:
        n_rows, same, alpha = 4, 0.75, 0.5
        pairs = pd.DataFrame({"one": ["Ann"], "other": ["Ben"], "kappa": [0.51234]})

    class Agreeing:
        def agreement(self):
            return Found()

    from curalab.documents._sections import creation

    decided = pd.DataFrame(
        {
            "event": [1],
            "action": ["keep"],
            "actor": ["Ann"],
            "method": [None],
            "reason": [""],
            "time": pd.to_datetime(["2024-01-01"], utc=True),
        },
        index=[0],
    )
    text = "\n".join(creation(pd.DataFrame({"a": [1]}), Agreeing(), decided))
    assert "4 were decided by two or more, 75.0% of the pairs alike; " in text
    assert "Krippendorff's α 0.500" in text
    assert "| Ann | Ben | 0.512 |" in text


def test_how_to_reproduce_names_versions_settings_and_fingerprints(ledger):
    ledger.record(0, action="drop", actor="rule", method="KNN", params={"k": 5}, embedding="abc123")
    text = card(pd.DataFrame({"a": [1]}, index=[1]), ledger)
    assert "with cl.Ledger('x.ledger') as ledger:" in text
    assert f"| pandas | {pd.__version__} |" in text
    assert "| decided on embedding | abc123 |" in text
    assert "| KNN: settings | {'k': 5} |" in text


# ---- the hub -------------------------------------------------------------------------------------


def test_the_hub_reads_the_card(ledger):
    hub = pytest.importorskip("huggingface_hub")
    items = pd.DataFrame({"text": ["a b c"] * 4, "label": list("abab")})
    report = cl.audit(items, embedding=np.random.default_rng(0).normal(size=(4, 3)), labels="label")
    known = {"licence": "CC-BY-4.0", "languages": "no, en", "name": 'Cats: "and" dogs'}
    read = hub.DatasetCard(str(card(items, ledger, audit=report, lineage=known)))
    assert read.data.to_dict() == {
        "license": "cc-by-4.0",
        "language": ["no", "en"],
        "pretty_name": 'Cats: "and" dogs',
        "size_categories": ["n<1K"],
        "task_categories": ["text-classification"],
        "tags": ["curalab"],
    }
    assert read.text.startswith('\n# Cats: "and" dogs\n')


@pytest.mark.parametrize(
    ("n", "size"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (10_000, "10K<n<100K"),
        (100_000, "100K<n<1M"),
    ],
)
def test_size_categories(ledger, n, size):
    assert f'- "{size}"\n' in card(pd.DataFrame({"a": np.arange(n)}), ledger)


def test_a_licence_that_the_hub_lacks_and_languages_in_words(ledger):
    yaml = pytest.importorskip("yaml")
    known = {"licence": "LicenseRef: mine\nall of it", "languages": "English and French"}
    front = yaml.safe_load(card(pd.DataFrame(), ledger, lineage=known).split("---\n")[1])
    assert front["license"] == "other"
    assert front["license_name"] == "LicenseRef: mine"
    assert "language" not in front


# ---- what data may hold --------------------------------------------------------------------------


def test_nothing_from_data_breaks_out(ledger, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    items = pd.DataFrame({"label": pd.Series(NASTY * 2, dtype=object), "<b>|x`": range(16)})
    for i, nasty in enumerate(NASTY[:-1]):
        ledger.record(i, action="tag", new=f"t{i}", actor=nasty, reason=nasty)
    text = card(items, ledger, lineage={"source": NASTY[2], "name": NASTY[3], "contact": NASTY[2]})
    text.save(tmp_path / "README.md")
    assert "<script" not in text
    assert "\u202e" not in text
    assert hub.DatasetCard(str(text)).data.to_dict()["pretty_name"] == "key: value # heading - item"
    assert [part.title for part in parts_of(text) if part.level == 2] == [
        "Dataset Description",
        "Dataset Structure",
        "Dataset Creation",
        "Considerations for Using the Data",
        "Usage",
        "Additional Information",
    ]
    balance = table_of(text, "### Balance of `label`")
    assert {len(row) for row in balance} == {3}
    assert len(balance) == 9
    assert "\\[x\\](javascript:alert(1))" in text


def test_a_thousand_classes_show_the_largest(ledger):
    labels = [*np.repeat([f"c{i:04d}" for i in range(1_000)], 20).tolist(), "c0007"]
    text = card(pd.DataFrame({"label": labels}), ledger)
    rows = table_of(text, "### Balance of `label`")
    assert len(rows) == 51
    assert rows[1] == ["c0007", "21", "0.1 %"]
    assert "… and 950 more." in text


def test_empty_tables_duplicate_columns_and_unused_categories(ledger):
    assert "0 items, 0 columns." in card(pd.DataFrame(), ledger)
    assert "0 items, 1 column." in card(pd.DataFrame({"a": []}), ledger)
    twice = pd.DataFrame([[1, "x"], [2, "y"]], columns=["a", "a"])
    assert "2 items, 2 columns." in card(twice, ledger)
    kinds = pd.DataFrame({"k": pd.Categorical(["a", "a"], categories=["a", "b"])})
    assert table_of(card(kinds, ledger), "### Balance of `k`")[1:] == [["a", "2", "100.0 %"]]


def test_plain_text_is_cut_and_shown_as_it_is():
    assert plain("a_b __init__ *x* <i>\n[y]") == "a_b \\_\\_init\\_\\_ \\*x\\* &lt;i&gt; \\[y\\]"
    assert plain("x" * 10_000_000) == "x" * 299 + "…"


# ---- answers -------------------------------------------------------------------------------------

ITEMS = pd.DataFrame({"label": ["a", "b"]})


def test_answers_survive_editing_and_the_next_card(ledger, tmp_path):
    file = tmp_path / "README.md"
    card(ITEMS, ledger).save(file)
    written = file.read_text(encoding="utf-8").replace(
        "*Please write:* How to cite the data.", "Ann (2024).\n\n```\n# not a heading\n```"
    )
    asked = "*Please write:* What the data are, in two or three sentences."
    file.write_text(written.replace(asked, f"{asked}\n\nPets.\n#### More\nCats."), encoding="utf-8")
    opened = Card.open(file)
    said = {
        "summary": "Pets.\n#### More\nCats.",
        "citation": "Ann (2024).\n\n```\n# not a heading\n```",
    }
    assert opened.answers == said
    again = card(ITEMS[:1], ledger, lineage=opened)
    assert again.answers == said
    assert "1 items, 1 column." in again
    assert asked not in again


def test_answers_given_to_a_card(ledger):
    first = card(ITEMS, ledger)
    given = {"Licence": "MIT", "contact": "Ann <ann@x.org>\n## Not a section", "Summary": "<b>Pets"}
    full = first.with_answers(given)
    assert full.answers == {
        "summary": "<b>Pets",
        "licence": "MIT",
        "contact": "Ann <ann@x.org>\n#### Not a section",
    }
    assert "<b>" not in full
    assert full.startswith("---\nlicense: mit\nsize_categories:")
    assert full.with_answers(full.answers) == full
    assert full.count("*Please write:*") == first.count("*Please write:*") - 3
    assert first.answers == {}


def test_an_answer_to_what_was_not_asked(ledger):
    with pytest.raises(ValueError) as error:
        card(ITEMS, ledger).with_answers({"contcat": "Ann"})
    assert str(error.value) == (
        "The 'answers' parameter must be one of 'summary', 'intended use', 'licence', "
        "'collection', 'annotation', 'personal information', 'social impact', 'contact', "
        "'citation'. Got 'contcat' instead. Did you mean 'contact'?"
    )


def test_lineage_is_a_mapping_or_has_facts(ledger):
    class Known:
        def facts(self):
            return {"Licence": "mit", "empty": " "}

    assert facts_of(Known()) == {"licence": "mit"}
    with pytest.raises(TypeError) as error:
        card(ITEMS, ledger, lineage=["mit"])
    assert str(error.value) == (
        "The 'lineage' parameter must be a mapping of str to str, or have facts(). "
        "Got list instead."
    )


def test_an_open_fence_ends_with_its_answer():
    assert quoted("```python\nx = 1") == "```python\nx = 1\n```"
    titles = [part.title for part in parts_of("# a\n~~~\n# b\n```\n# c\n~~~\n# d ##")]
    assert titles == ["", "a", "d"]


def test_paths_lose_their_folders(ledger):
    folders = ["/home/ann/cats"] * 5 + ["~/dogs"] * 5
    items = pd.DataFrame(
        {
            "file": ["/scratch/ann/a.txt"] * 3 + ["C:\\Users\\ann\\b.txt"] * 4 + ["/m/02xwb"] * 3,
            "label": folders,
            "split": pd.Categorical(["file:///home/ann/train", "test"] * 5),
        }
    )
    text = cl.card(items, ledger)
    assert table_of(text, "### Balance of `file`")[1:] == [
        ["b.txt", "4", "40.0 %"],
        ["a.txt", "3", "30.0 %"],
        ["/m/02xwb", "3", "30.0 %"],
    ]
    assert {row[0] for row in table_of(text, "### Split `split`")[1:]} == {"train", "test"}
    effect = SimpleNamespace(params={"labels": "label"}, sentence="")
    crossed = table_of(cl.card(items, ledger, effect=effect), "### `label` by `split`")
    assert crossed[0] == ["label", "test", "train"]
    assert {row[0] for row in crossed[1:]} == {"cats", "dogs"}
    foreign = pd.DataFrame({"n": np.array([1, 1, 2, 2], dtype=">i4")})
    assert "### Balance of `n`" not in cl.card(foreign, ledger)
