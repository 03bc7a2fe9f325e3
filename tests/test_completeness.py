"""How complete cards are: hand-counted cards, templates nobody filled in, and cards of ours."""

import re
from pathlib import Path

import pandas as pd
import pytest

import curalab as cl
from curalab.documents._completeness import SECTIONS, completeness

LEGACY = """---
license: mit
---

# Dataset Card for Pets

## Table of Contents
- [Dataset Description](#dataset-description)

## Dataset Description
- **Homepage:**

### Dataset Summary
Photos of cats.

### Languages
[More Information Needed]

## Dataset Structure
### Data Instances
```
# not a heading
```
### Data Fields
- a: one
### Data Splits
[Needs More Information]

## Dataset Creation
### Curation Rationale
[More Information Needed]

## Considerations for Using the Data
### Social Impact of Dataset
TODO

## Additional Information
### Licensing Information
MIT
"""


def test_a_card_of_the_old_template_counted_by_hand():
    made = completeness(LEGACY)
    rows = made.sections.set_index("section")
    assert rows["words"].to_dict() == {
        "Considerations": 0,
        "Usage": 0,
        "Creation": 0,
        "Structure": 5,
        "Additional Information": 1,
        "Description": 3,
    }
    assert rows["n_parts"].to_dict() == {
        "Considerations": 1,
        "Usage": 0,
        "Creation": 1,
        "Structure": 3,
        "Additional Information": 1,
        "Description": 3,
    }
    assert rows.loc["Structure", "filled"] == pytest.approx(2 / 3)
    assert rows.loc["Description", "filled"] == pytest.approx(1 / 3)
    assert rows["placeholders"].sum() == 4
    assert made.score == pytest.approx((2 / 3 + 1 / 3 + 1) / 6)
    assert made.missing == {"card": ["Considerations", "Usage", "Creation"]}


def test_the_template_of_the_hub_is_empty():
    hub = pytest.importorskip("huggingface_hub")
    template = Path(hub.__file__).parent / "templates" / "datasetcard_template.md"
    text = template.read_text(encoding="utf-8")
    text = re.sub(r"\{\{.*?default\(\"(.*?)\".*?\}\}", r"\1", text)
    made = completeness(re.sub(r"\{\{.*?\}\}", "", text))
    assert made.score == 0
    assert made.missing == {"card": list(SECTIONS)}
    assert made.sections["n_parts"].tolist() == [3, 1, 6, 1, 5, 2]


def test_limits_and_usage_count_wherever_they_stand():
    text = "# X\n## Dataset Structure\n### Known Limitations\nFew cats.\n### How to load\nOne line."
    made = completeness(text)
    assert made.missing["card"] == [
        "Creation",
        "Structure",
        "Additional Information",
        "Description",
    ]


def test_text_below_the_title_describes_and_unknown_headings_do_not_count():
    rows = completeness("# Pets\nTwo words\n## Zebra\nthree more words").sections
    rows = rows.set_index("section")
    assert rows.loc["Description", "words"] == 2
    assert rows["words"].sum() == 2
    assert rows.loc["Description", "share"] == pytest.approx(2 / 5)


def test_scripts_without_spaces_count_by_character():
    assert completeness("## Summary\n猫の写真 two").sections["words"].sum() == 5


def test_a_card_of_ours_gains_by_its_answers(tmp_path):
    with cl.Ledger(tmp_path / "x.ledger") as ledger:
        card = cl.card(pd.DataFrame({"label": ["a", "b"]}), ledger)
    answers = dict.fromkeys(["summary", "intended use", "licence", "contact", "citation"], "Said.")
    more = card.with_answers(answers)
    made = completeness({"bare": card, "told": more})
    bare, told = made.completeness
    assert bare < told < 1
    assert made.missing == {"bare": ["Additional Information", "Description"], "told": []}
    social = ["collection", "annotation", "personal information", "social impact"]
    assert completeness(more.with_answers(dict.fromkeys(social, "Said."))).score == 1


def test_many_cards_are_compared_and_their_topics_told(tmp_path):
    texts = {
        name: f"## Summary\n{name} photos photos\n## Limitations\nbias bias skewed\n"
        for name in "xy"
    }
    (tmp_path / "README.md").write_text("## Usage\nload it", encoding="utf-8")
    made = completeness({**texts, "file": tmp_path / "README.md"})
    frame = made.to_frame()
    assert frame.index.tolist() == ["x", "y", "file"]
    assert frame["card_usage"].tolist() == [0, 0, 1]
    assert frame["card_completeness"].tolist() == pytest.approx([2 / 6, 2 / 6, 1 / 6])
    assert made.topics["Description"] == ["photos"]
    assert set(made.topics["Considerations"]) == {"bias", "skewed"}
    assert made.topics["Creation"] == []
    assert repr(made) == "Completeness(3 cards, completeness 0.28)"
    assert completeness([texts["x"], texts["y"]]).ids.tolist() == [0, 1]


def test_an_empty_card_and_none():
    assert completeness("").score == 0
    with pytest.raises(TypeError) as error:
        completeness([])
    assert str(error.value) == (
        "The 'cards' parameter must be the text or file of a card, or a list or mapping of these, "
        "not empty. Got [] instead."
    )
    with pytest.raises(TypeError) as error:
        completeness({"a": 1})
    assert str(error.value) == "The 'cards' parameter must be texts or paths. Got int instead."
