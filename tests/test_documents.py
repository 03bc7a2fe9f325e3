"""A card of a real, small curation: what it tells, and that nothing breaks out of it."""

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.documents import card


@pytest.fixture
def made(tmp_path):
    items = pd.DataFrame(
        {"text": [f"text {i}" for i in range(20)], "label": list("ab") * 10},
        index=[f"r{i}" for i in range(20)],
    )
    ledger = cl.Ledger(tmp_path / "x.ledger")
    ledger.record("r1", action="drop", actor="Ann", reason="a | copy")
    ledger.record("r2", action="relabel", field="label", old="a", new="b", actor="Ann")
    ledger.record("r3", action="drop", actor="Ben")
    ledger.undo(actor="Ben")
    yield items, ledger
    ledger.close()


def test_a_card_tells_composition_and_decisions(made):
    items, ledger = made
    text = card(ledger.apply(items), ledger)
    assert "19 items, 2 columns." in text
    assert "| b | 10 | 52.6 % |" in text
    assert "2 decisions stand in the ledger." in text
    assert "20 rows came in, 19 are left." in text
    assert "| drop | Ann |  | a \\| copy | 1 | 19 |" in text
    assert "Ben" not in text


def test_front_matter_is_yaml(made):
    yaml = pytest.importorskip("yaml")
    items, ledger = made
    text = card(items, ledger, lineage={"licence": "cc-by-4.0"})
    front = yaml.safe_load(text.split("---\n")[1])
    assert front == {"license": "cc-by-4.0", "size_categories": ["n<1K"], "tags": ["curalab"]}


def test_what_only_a_person_knows_is_asked_for(made):
    text = card(*made)
    assert text.count("*Please write:*") == 9
    known = card(*made, lineage={"License": "mit", "collection": "by hand", "source": "a_b"})
    assert known.count("*Please write:*") == 7
    assert "### Collection\n\nby hand\n" in known
    assert "| source | a_b |" in known


def test_findings_and_effect_are_told(made):
    items, ledger = made
    x = np.random.default_rng(0).normal(size=(20, 4))
    x[4] = x[9]
    report = cl.audit(items, embedding=cl.Embedding(vectors=x, ids=items.index), random_state=0)

    class Gain:
        sentence = "No detectable effect."

    text = card(items, ledger, audit=report, effect=Gain())
    assert "| duplicates | 1 |" in text
    assert "1 item, 5.0%, 1 still here undecided. Copies count several times." in text
    assert "No detectable effect." in text
    assert "| audit: random_state | 0 |" in text


def test_text_from_data_cannot_break_out(made):
    items, ledger = made
    items = items.assign(label=["<script>alert(1)</script>", "x"] * 10)
    assert "<script>" not in card(items, ledger)


def test_a_card_is_a_string_that_saves_itself(made, tmp_path):
    text = card(*made)
    text.save(tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == str(text)
    assert text._repr_markdown_().lstrip().startswith("# Dataset card")
    with pytest.raises(TypeError) as error:
        card([1], made[1])
    assert str(error.value) == "The 'items' parameter must be a DataFrame. Got list instead."
