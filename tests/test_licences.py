"""Licences: spellings of the wild, the strictest terms of a mixture, what is missing or clashes."""

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.documents._licences import Licences, licences
from curalab.documents._terms import MUST, USES, combined, fitting, known, read_licence

SPELLINGS = {
    "cc by 4.0": "CC-BY-4.0",
    "CC-BY-NC-SA 3.0": "CC-BY-NC-SA-3.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "CC BY v4.0": "CC-BY-4.0",
    "CC BY NC 4": "CC-BY-NC-4.0",
    "BY-NC-SA 4.0": "CC-BY-NC-SA-4.0",
    "CC BY 3.0 US": "CC-BY-3.0-US",
    "Attribution 4.0 International": "CC-BY-4.0",
    "Creative Commons Attribution-ShareAlike 4.0 International (CC BY-SA 4.0)": "CC-BY-SA-4.0",
    "Creative Commons Attribution-NonCommercial-NoDerivs 3.0 Unported License": "CC-BY-NC-ND-3.0",
    "https://creativecommons.org/licenses/by-nc/4.0/": "CC-BY-NC-4.0",
    "https://creativecommons.org/licenses/by-nc-sa/3.0/igo/legalcode": "CC-BY-NC-SA-3.0-IGO",
    "http://creativecommons.org/publicdomain/zero/1.0/": "CC0-1.0",
    "https://creativecommons.org/publicdomain/mark/1.0/deed.en": "CC-PDM-1.0",
    "CC0": "CC0-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Apache 2": "Apache-2.0",
    "apache2": "Apache-2.0",
    "Licensed under the Apache License, Version 2.0": "Apache-2.0",
    "http://www.apache.org/licenses/LICENSE-2.0": "Apache-2.0",
    "The MIT License (MIT)": "MIT",
    "https://opensource.org/licenses/MIT": "MIT",
    "BSD 3-Clause License": "BSD-3-Clause",
    "3-clause BSD": "BSD-3-Clause",
    "GPLv3": "GPL-3.0-only",
    "GNU GPL v2 or later": "GPL-2.0-or-later",
    "AGPLv3+": "AGPL-3.0-or-later",
    "GNU Affero General Public License v3.0": "AGPL-3.0-only",
    "odbl": "ODbL-1.0",
    "https://opendatacommons.org/licenses/odbl/1-0/": "ODbL-1.0",
    "https://opendatacommons.org/licenses/by/1-0/": "ODC-By-1.0",
    "pddl": "PDDL-1.0",
    "CDLA Sharing 1.0": "CDLA-Sharing-1.0",
    "c-uda": "C-UDA-1.0",
    "llama3.1": "LicenseRef-Llama-3.1",
    "Llama 2": "LicenseRef-Llama-2",
    "bigscience-openrail-m": "LicenseRef-BigScience-OpenRAIL-M",
    "openrail++": "LicenseRef-OpenRAIL",
    "public domain": "LicenseRef-public-domain",
    "All rights reserved": "LicenseRef-proprietary",
    "research only": "LicenseRef-academic-only",
    "CC BY": "LicenseRef-CC-BY",
    "other": "NOASSERTION",
    "MIT OR Apache-2.0": "MIT OR Apache-2.0",
    "mit and cc-by-4.0": "MIT AND CC-BY-4.0",
    "(mit or gplv3) AND CC BY 4.0": "(MIT OR GPL-3.0-only) AND CC-BY-4.0",
    "GPL-2.0-only WITH Classpath-exception-2.0": "GPL-2.0-only WITH Classpath-exception-2.0",
    "LicenseRef-acme": "LicenseRef-acme",
}
UNKNOWN = [
    "cc", "CC BY 9.0", "CC BY-SA 3.0 ES", "attribution required", "CC BY-SA-ND 4.0",
    "CC BY 4.0 / CC BY-SA 4.0", "MIT AND nonsense", "Apache", "free", "see paper", "4.0",
    "MIT) OR (",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_the_wild(spelling):
    assert read_licence(spelling)[0] == SPELLINGS[spelling]


@pytest.mark.parametrize("spelling", UNKNOWN)
def test_what_is_not_known_is_not_guessed(spelling):
    assert read_licence(spelling)[0] is None
    assert read_licence(spelling)[1].use == "unspecified"


def test_every_identifier_of_the_table_is_spdx_and_reads_as_itself():
    spdx = pytest.importorskip("packaging.licenses._spdx").LICENSES
    for id, row in known().items():
        assert read_licence(id)[0] == read_licence(id.lower())[0] == id
        assert row["use"] in USES
        assert set(row["must"].split()) <= set(MUST)
        assert set(row["also_under"].split()) <= set(known())
        if not id.startswith("LicenseRef-") and id != "NOASSERTION":
            assert spdx[id.lower()]["id"] == id
            assert not spdx[id.lower()]["deprecated"]


@pytest.mark.parametrize(
    ("text", "use", "change", "must"),
    [
        ("CC0-1.0", "commercial", "yes", ""),
        ("MIT", "commercial", "yes", "name notice"),
        ("CC-BY-ND-4.0", "commercial", "no", "name notice changes"),
        ("CC-BY-NC-SA-4.0", "non-commercial", "yes", "name notice changes alike"),
        ("AGPL-3.0-only", "commercial", "yes", "name notice changes alike network"),
        ("ODbL-1.0", "commercial", "yes", "name notice alike"),
        ("llama2", "commercial", "yes", "name notice limits"),
        ("proprietary", "by-permission", "no", ""),
        ("MIT OR CC-BY-NC-4.0", "commercial", "yes", "name notice"),
        ("MIT AND CC-BY-NC-4.0", "non-commercial", "yes", "name notice changes"),
        ("LicenseRef-acme", "unspecified", "unspecified", ""),
    ],
)
def test_terms_of_a_licence(text, use, change, must):
    terms = read_licence(text)[1]
    assert (terms.use, terms.change, terms.must) == (use, change, frozenset(must.split()))


@pytest.mark.parametrize(
    ("parts", "under"),
    [
        ("CC-BY-SA-3.0 CC-BY-SA-4.0", {"CC-BY-SA-4.0"}),
        ("CC-BY-SA-1.0 CC-BY-SA-4.0", set()),
        ("CC-BY-SA-4.0 GPL-3.0-only", {"GPL-3.0-only"}),
        ("CC-BY-SA-4.0 CC-BY-NC-SA-4.0", set()),
        ("CC-BY-SA-4.0 CC-BY-NC-4.0", set()),
        ("CC-BY-NC-SA-4.0 CC-BY-NC-4.0 MIT", {"CC-BY-NC-SA-4.0"}),
        ("CC-BY-SA-4.0 ODbL-1.0", set()),
        ("GPL-2.0-only GPL-3.0-only", set()),
        ("GPL-2.0-or-later AGPL-3.0-only", {"AGPL-3.0-only"}),
        ("CC-BY-SA-4.0 NOASSERTION", {"CC-BY-SA-4.0", "GPL-3.0-only"}),
    ],
)
def test_which_licence_may_cover_share_alike_parts(parts, under):
    assert fitting(combined(read_licence(part)[1] for part in parts.split())) == under


def test_the_strictest_of_a_mixture_in_any_order():
    texts = ["MIT", "CC-BY-NC-4.0", "unknown", "research only"]
    for order in (texts, texts[::-1]):
        terms = licences(order).terms
        assert (terms.use, terms.change, terms.share) == (
            "academic-only",
            "unspecified",
            "unspecified",
        )
        assert terms.must == {"name", "notice", "changes"}
    assert licences(["MIT", "unknown"]).terms.use == "unspecified"
    assert licences(["unknown", "CC-BY-NC-4.0"]).terms.use == "non-commercial"


def test_rows_keep_their_ids_and_join(tmp_path):
    items = pd.DataFrame(
        {"licence text": ["cc by 4.0", None, "MIT", "cc-by-nc-4.0"]}, index=list("abcd")
    )
    found = licences(items["licence text"])
    assert found.licence.tolist() == ["CC-BY-4.0", None, "MIT", "CC-BY-NC-4.0"]
    assert found.use.tolist() == ["commercial", "unspecified", "commercial", "non-commercial"]
    assert found.must_name.tolist() == [True, False, True, True]
    assert found.rows("commercial").tolist() == ["a", "c"]
    assert found.rows("non-commercial").tolist() == ["a", "b", "c", "d"]
    joined = cl.join(items, found)
    assert joined.loc["d", "licence_use"] == "non-commercial"
    assert repr(found) == "Licences(4 items, 4 licences, together non-commercial)"
    found.save(tmp_path / "kept")
    again = Licences.open(tmp_path / "kept")
    assert again.problems.equals(found.problems)
    assert again.table.equals(found.table)


def test_share_alike_rows_can_be_left_out():
    found = licences({"x": "CC-BY-SA-4.0", "y": "CC-BY-4.0", "z": ["MIT", "CC-BY-NC-4.0"]})
    assert found.rows("commercial").tolist() == ["x", "y"]
    assert found.rows("commercial", share_alike=False).tolist() == ["y"]
    assert found.licence[2] == "MIT AND CC-BY-NC-4.0"


def test_a_table_counts_each_licence():
    table = licences(["MIT", "mit license", "cc0", None]).table
    assert table["licence"].tolist() == ["MIT", "CC0-1.0", "-"]
    assert table["n_items"].tolist() == [2, 1, 1]
    assert table["must"].tolist() == ["name the creators, pass the licence on with it", "", ""]


def test_problems_are_listed_with_their_rows():
    given = [
        None,
        np.nan,
        "other",
        "see paper",
        "CC BY",
        "LicenseRef-acme",
        "CC-BY-SA-4.0",
        "ODbL-1.0",
    ]
    problems = licences(given).problems
    assert dict(zip(problems["problem"], problems["n_items"], strict=True)) == {
        "missing": 2, "unspecified": 1, "unknown spelling": 1, "no version": 1,
        "unknown terms": 1, "share-alike conflict": 8,
    }  # fmt: skip
    told = problems.set_index("problem")["evidence"]
    assert told["unknown spelling"] == "'see paper' is no licence known here"
    assert told["share-alike conflict"] == "CC-BY-SA-4.0, ODbL-1.0 must each cover the whole"
    assert licences(["MIT", "CC-BY-4.0", "CC0-1.0"]).problems.empty


def test_share_alike_against_non_commercial_and_no_derivatives():
    problems = licences(["CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0"]).problems
    assert problems["problem"].tolist() == ["share-alike conflict", "no derivatives"]
    assert problems["evidence"].tolist() == [
        "CC-BY-SA-4.0 must cover the whole, and a part is non-commercial",
        "a part may be passed on only unchanged",
    ]
    assert licences(["MIT", "proprietary"]).problems["problem"].tolist() == ["no sharing"]


def test_half_a_million_rows():
    column = pd.Series(["cc-by-4.0", "MIT", None, "nonsense"] * 125_000)
    found = licences(column)
    assert found.problems["n_items"].tolist() == [125_000, 125_000]
    assert len(found.rows("commercial")) == 250_000


def test_text_from_data_is_escaped():
    assert "<script>" not in licences(["<script>alert(1)</script>"])._repr_html_()
    assert "no legal advice" in licences(["MIT"])._repr_html_()


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: licences("MIT"), TypeError,
            "The 'given' parameter must be a Series, a mapping or a list of licences. "
            "Got 'MIT' instead. Put a single one into a list.",
        ),
        (
            lambda: licences(pd.DataFrame({"a": ["MIT"]})), TypeError,
            "The 'given' parameter must be one column of licences. "
            "Got a DataFrame instead. Take its column.",
        ),
        (
            lambda: licences([3]), TypeError,
            "The 'given' parameter must be licences as text. Got 3 instead.",
        ),
        (
            lambda: licences(["MIT"]).rows("comercial"), ValueError,
            "The 'use' parameter must be one of 'commercial', 'unspecified', 'non-commercial', "
            "'academic-only', 'by-permission'. Got 'comercial' instead. Did you mean 'commercial'?",
        ),
    ],
)  # fmt: skip
def test_errors(call, kind, text):
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == text
