"""What lessons are made of: seeds, exercises that check themselves, sliders, grades."""

import asyncio
import json

import nbformat
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from matplotlib.figure import Figure
from PIL import Image

import curalab as cl
from curalab.app import main
from curalab_widgets import lesson
from curalab_widgets.lesson import _answers, _student
from curalab_widgets.lesson._exercise import Exercise, NoAnswer, choice, ids, labels, number

EXERCISES = {
    "99-a": Exercise(
        truth=lambda seed: seed % 100,
        judge=number(within=1, unit="rows"),
        hints=("Count them.", "Count them again."),
        solution="answer = SEED % 100",
    ),
    "99-b": Exercise(
        truth=lambda seed: pd.Index([seed, seed + 1]),
        judge=ids(recall=0.5, precision=0.5),
        hints=("Look.",),
        solution="answer = [SEED]",
        data=lambda seed: np.arange(seed, seed + 10),
    ),
    "99-c": Exercise(
        truth=lambda seed: 4,
        judge=lambda answer, truth: (answer(2) == truth, "It was tried on 2."),
        hints=(),
        solution="answer = lambda x: x * x",
        takes_code=True,
    ),
}


@pytest.fixture(autouse=True)
def _a_desk(tmp_path, monkeypatch):
    """A working folder, a student without a name, and a lesson 99."""
    known = _answers._exercises
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CURALAB_STUDENT", "")  # set by tests: so it is taken back
    monkeypatch.setattr(
        _answers, "_exercises", lambda name: EXERCISES if name == "99" else known(name)
    )


# ---- students ------------------------------------------------------------------------------------


def test_each_name_has_its_own_seed_and_keeps_it():
    assert lesson.student() == ""
    assert lesson.seed() == 7
    lesson.student(" Ada ")
    assert lesson.student() == "Ada"
    ada = lesson.seed()
    assert lesson.seed() == ada
    lesson.student("Ben")
    assert lesson.seed() != ada
    lesson.student("12")
    assert lesson.seed() == 12
    assert len({_student.seed_of(f"student {i}") for i in range(200)}) == 200
    with pytest.raises(TypeError) as error:
        lesson.student(3)
    assert str(error.value) == "The 'name' parameter must be a string. Got 3 instead."


def test_a_missing_extra_ends_the_lesson_with_what_to_install(monkeypatch):
    lesson.needs()
    lesson.needs("offline")
    monkeypatch.setitem(_student._PACKAGES, "offline", ("no_such_package",))
    with pytest.raises(lesson.Stop) as stop:
        lesson.needs("graph", "offline")
    assert "pip install 'curalab[offline]'" in str(stop.value)
    assert stop.value._render_traceback_() == [str(stop.value)]
    with pytest.raises(ValueError, match="The 'extras' parameter must be one of"):
        lesson.needs("everything")


# ---- answers -------------------------------------------------------------------------------------


def test_a_right_answer_a_wrong_one_and_none():
    assert repr(lesson.check("99-a", ...)).startswith("Not yet. Put your answer in place")
    assert repr(lesson.check("99-a", 4)) == "Not yet. Too low by 3 rows. Count them."
    assert repr(lesson.check("99-a", 9.5)) == "Not yet. Too high by 2.5 rows. Count them again."
    assert repr(lesson.check("99-a", 0)).endswith("Count them again.")
    found = lesson.check("99-a", np.int64(8))
    assert repr(found) == "Right. It is 7 rows."
    assert found.passed
    assert "✓ Right." in found._repr_html_()


@pytest.mark.parametrize(
    ("exercise", "answer", "said"),
    [
        ("99-a", "seven", "An answer is a number; this is of type str."),
        ("99-a", None, "An answer is a number; this is of type NoneType."),
        ("99-a", True, "An answer is a number; this is of type bool."),
        ("99-a", np.arange(3), "An answer is a number; this is of type ndarray."),
        ("99-a", float("nan"), "An answer is a finite number; this is of type float."),
        ("99-b", 7, "An answer is a list or an Index of row ids; this is of type int."),
        ("99-b", [[7]], "An answer is a flat list of row ids; this is of type list."),
        ("99-c", 7, "This answer stops with an error: TypeError: 'int' object is not callable."),
        ("99-c", lambda x: 1 / 0, "This answer stops with an error: ZeroDivisionError: "),
    ],
)
def test_an_answer_of_the_wrong_type_gets_words_and_no_traceback(exercise, answer, said):
    verdict = lesson.check(exercise, answer)
    assert not verdict.passed
    assert verdict.said.startswith(said)


def test_a_mask_without_ids_is_told_how_to_become_ids():
    verdict = lesson.check("99-b", np.array([True, False]))
    assert "items.index[mask]" in verdict.said
    mask = pd.Series([True, False], index=[7, 8])
    assert lesson.check("99-b", mask).passed
    assert lesson.check("99-b", pd.DataFrame(index=[7])).passed


def test_ids_are_judged_by_recall_and_precision():
    judge = ids(recall=0.5, precision=0.9)
    assert judge([1, 2, 2], {1, 2, 3}) == (
        True,
        "2 of the 3 that are meant are among your 2 "
        "(recall 0.67, asked 0.5; precision 1.00, asked 0.9).",
    )
    assert not judge([], {1})[0]
    assert not judge(range(10), {1, 2, 3})[0]
    assert judge(np.array(["a"]), pd.Index(["a"]))[0]


def test_words_and_labels_are_judged():
    judge = choice("Random", "k_center")
    assert judge(" random", "Random") == (True, 'It is "Random".')
    assert judge("K_CENTER", "Random") == (False, 'It is not "K_CENTER".')
    with pytest.raises(NoAnswer, match='one of "Random", "k_center"'):
        judge("typicality", "Random")
    truth = pd.Series(["a", "b", "a", "b"], index=[3, 1, 4, 5])
    judge = labels(accuracy=0.7)
    right, said = judge(truth.iloc[::-1].replace({"b": "a"}), truth)
    assert (right, said) == (False, "50.0% of your labels are right; 70% is asked.")
    assert judge(truth.to_dict(), truth)[0]
    with pytest.raises(NoAnswer, match="1 have none: 5"):
        judge(truth.iloc[:3], truth)
    with pytest.raises(NoAnswer, match="a Series"):
        judge(["a"] * 4, truth)


def test_numbers_are_judged_relatively_too():
    judge = number(0.1, relative=True)
    assert judge(109, 100) == (True, "It is 100.")
    assert judge(120, 100) == (False, "Too high by 20%.")
    assert judge(pd.Series([100.0]), 100)[0]
    assert number(0.1, relative=True, unit="h")(50, 100) == (False, "Too low by 50%.")


def test_an_exercise_that_is_not_there():
    with pytest.raises(ValueError) as error:
        lesson.check("99-d", 1)
    assert str(error.value).startswith("There is no exercise '99-d'. Did you mean '99-")
    with pytest.raises(ValueError, match="There is no exercise 'nonsense'"):
        lesson.check("nonsense", 1)
    with pytest.raises(ValueError, match="works on what the lesson has made already"):
        lesson.data("99-a")
    assert lesson.data("99-b")[0] == 7


def test_answers_are_kept_and_a_passed_exercise_stays_passed(tmp_path):
    lesson.student("Ada/../x")
    for answer in (1, lesson.seed() % 100, 2):
        lesson.check("99-a", answer)
    lesson.check("99-c", lambda x: x * x)
    (path,) = tmp_path.iterdir()
    assert path.name == f"curalab-results-Ada_x-{lesson.seed()}.json"
    kept = json.loads(path.read_text())
    assert kept["student"] == "Ada/../x"
    assert kept["curalab"] == cl.__version__
    assert kept["answers"]["99-a"]["passed"]
    assert kept["answers"]["99-a"]["attempts"] == 3
    assert kept["answers"]["99-a"]["answer"] == lesson.seed() % 100
    assert kept["answers"]["99-c"] | {"at": ""} == {
        "passed": True,
        "answer": None,
        "said": "It was tried on 2.",
        "attempts": 1,
        "at": "",
    }


def test_a_file_that_cannot_be_written_costs_no_verdict(tmp_path):
    (tmp_path / "curalab-results-unnamed.part").mkdir()
    found = lesson.check("99-a", 7)
    assert found.passed
    assert "could not be written down" in found.said


@pytest.mark.parametrize(
    "odd",
    [
        '{"answers": [',
        "[]",
        '{"student": "", "answers": 3}',
        '{"student": "", "answers": {"99-a": 1}}',
        '{"student": "", "answers": {"99-a": {"attempts": "many"}}}',
        '{"student": "", "answers": {"=1+1": {"attempts": 1}}}',
    ],
)
def test_a_file_that_cannot_be_read_is_begun_anew_and_set_aside(tmp_path, odd, caplog):
    path = tmp_path / "curalab-results-unnamed.json"
    path.write_text(odd)
    assert lesson.check("99-a", 7).passed
    assert json.loads(path.read_text())["answers"]
    assert path.with_suffix(".unread.json").read_text() == odd
    assert "it is kept as curalab-results-unnamed.unread.json" in caplog.text


def test_names_that_differ_in_their_signs_only_have_files_of_their_own(tmp_path):
    for name in ("a b", "a_b", "a-b", "日本", "💡"):
        lesson.student(name)
        assert lesson.check("99-a", lesson.seed() % 100).passed
    assert len(list(tmp_path.iterdir())) == 5
    assert lesson.grade(tmp_path)["passed"].tolist() == [1] * 5


def test_an_error_inside_a_function_of_the_learner_is_named():
    def half(x):
        raise ValueError("nothing to halve")

    said = repr(lesson.check("99-c", half))
    assert "This answer stops with an error: ValueError: nothing to halve." in said


@pytest.mark.parametrize(
    "answer",
    [3, "x", 2.5, [1, 2], pd.Series({"a": 1, "b": 2}), pd.Series([True], index=[5])],
    ids=str,
)
def test_what_is_frozen_comes_back(answer):
    back = _answers.thawed(json.loads(json.dumps(_answers.frozen(answer))))
    if isinstance(answer, pd.Series):
        pd.testing.assert_series_equal(back, answer)
    else:
        assert back == answer


# ---- grades --------------------------------------------------------------------------------------


def _hand_in(folder, name, answers):
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"student": name, "answers": answers}
    path = folder / f"curalab-results-{name}.json"
    path.write_text(json.dumps(kept))
    return path


def test_grading_judges_again(tmp_path, capsys):
    seed = _student.seed_of("Ada")
    right = {"passed": True, "answer": seed % 100, "attempts": 2}
    ids = {"passed": True, "answer": [seed], "attempts": 1}
    code = {"passed": True, "answer": None, "attempts": 1}
    _hand_in(tmp_path / "in" / "1", "Ada", {"99-a": right, "99-c": code})
    _hand_in(tmp_path / "in" / "2", "Ada", {"99-b": ids})
    _hand_in(tmp_path / "in", "Ben", {"99-a": right, "98-z": right})  # copied from Ada
    (tmp_path / "in" / "curalab-results-torn.json").write_text("{")
    forged = {"99-a": code, "99-b": {"attempts": 1, "passed": True, "answer": {"pairs": 3}}}
    _hand_in(tmp_path / "in", "=1+1", forged)
    out = tmp_path / "grades.csv"
    assert main(["grade", str(tmp_path / "in"), "--out", str(out)]) == 0
    table = pd.read_csv(out, index_col="student")
    assert table.loc["Ada", ["passed", "answered", "attempts"]].tolist() == [3, 3, 4]
    assert table.loc["Ada", "taken_on_trust"] == "99-c"
    assert table.loc["Ben", "passed"] == 0
    assert table.loc["Ben", "not_confirmed"] == "98-z;99-a"
    assert table.loc["Ben", "99-a"] == 0
    assert pd.isna(table.loc["Ben", "99-b"])
    assert table.loc["'=1+1", "not_confirmed"] == "99-a;99-b"
    assert table.loc["'=1+1", "passed"] == 0
    told = capsys.readouterr().out
    assert "Ben: 98-z;99-a: called passed in the file, but not so" in told


def test_grading_an_empty_folder(tmp_path, capsys):
    assert main(["grade", str(tmp_path)]) == 1
    assert "There is no result file that can be read" in capsys.readouterr().err
    assert main(["grade", str(tmp_path / "none")]) == 1
    assert "The 'folder' parameter must be a folder of result files." in capsys.readouterr().err


# ---- solved copies -------------------------------------------------------------------------------


def _cell(source):
    return nbformat.v4.new_code_cell(source, metadata={"tags": ["exercise"]})


def test_a_solved_copy_has_the_solution_in_place_of_the_dots():
    book = nbformat.v4.new_notebook()
    book.cells = [
        nbformat.v4.new_code_cell("answer = ..."),
        _cell('answer = ...\nlesson.check("99-a", answer)'),
    ]
    done = lesson.solved(book)
    assert done.cells[0].source == "answer = ..."
    assert done.cells[1].source == 'answer = SEED % 100\nlesson.check("99-a", answer)'
    assert "answer = ..." in book.cells[1].source


def test_an_exercise_cell_without_its_lines_is_refused():
    book = nbformat.v4.new_notebook()
    for source in ("answer = ...", 'lesson.check("99-a", answer)'):
        book.cells = [_cell(source)]
        with pytest.raises(ValueError, match="must hold the lines"):
            lesson.solved(book)


# ---- sliders -------------------------------------------------------------------------------------


def _squares(k, power=2):
    return pd.DataFrame({"value": [k**power]}), {"value": k**power, "share": k / 10}


def test_sliders_move_picture_and_scores_together():
    panel = lesson.Explore(_squares, {"k": [1, 2, 3], "power": [1, 2]}, start={"power": 1})
    assert panel.setting == {"k": 2, "power": 1}
    panel._sliders["k"].value = 3
    assert panel.setting == {"k": 3, "power": 1}
    panel.setting = {"k": 3, "power": 2}
    assert panel._sliders["power"].value == 2
    assert "<td>9</td>" in panel._picture.value
    assert panel.trail.to_dict("list") == {
        "k": [2, 3, 3],
        "power": [1, 1, 2],
        "value": [2.0, 3.0, 9.0],
        "share": [0.2, 0.3, 0.3],
    }


def test_a_walk_sees_every_value_and_comes_back():
    seen = []
    panel = lesson.Explore(lambda k: seen.append(k) or (None, {"k": k}), {"k": [1, 2, 3, 4]})
    assert panel.walk("k")["k"].tolist() == [1, 2, 3, 4]
    assert panel.setting == {"k": 3}
    panel._walk_on()
    panel.setting = {"k": 1}
    assert seen == [3, 1, 2, 4]  # each once
    with pytest.raises(ValueError, match="The 'name' parameter must be one of"):
        panel.walk("j")


def test_a_score_may_be_missing():
    panel = lesson.Explore(lambda k: (None, {"score": float("nan")}), {"k": [1, 2]})
    assert panel.walk("k")["score"].isna().all()
    assert panel._picture.layout.display == "none"  # there is none


def test_values_may_be_words():
    panel = lesson.Explore(lambda m: ("picture", {"n": len(m)}), {"m": ["knn", "margin"]})
    assert panel.walk("m")["n"].tolist() == [3.0, 6.0]
    assert "<pre>picture</pre>" in panel._picture.value


def test_the_still_picture_holds_the_trail():
    panel = lesson.Explore(_squares, {"k": [1, 2, 3], "power": [1, 2]})
    panel.walk("k")
    still = panel._repr_mimebundle_()["text/html"]
    assert still.count("data:image/png;base64,") == 1
    assert "value, share by k" in still
    assert still.count("font-weight:bold") == 1
    assert repr(panel) == "Explore({'k': 2, 'power': 2}, 3 settings seen)"


def test_in_a_kernel_the_first_setting_is_there_and_the_next_comes_beside():
    async def hand():
        panel = lesson.Explore(_squares, {"k": [1, 2, 3]})
        assert panel._picture.value
        panel._sliders["k"].value = 3
        assert len(panel.trail) == 1
        while not panel._work.is_idle:
            await asyncio.sleep(0.02)
        assert "<td>9</td>" in panel._picture.value
        panel.setting = {"k": 2}
        assert "<td>4</td>" in panel._picture.value

    asyncio.run(hand())


def test_a_setting_that_fails_says_so_in_the_panel():
    def look(k):
        if k == 3:
            raise ValueError("three is too much")
        return None, {"k": k}

    panel = lesson.Explore(look, {"k": [1, 2, 3]})
    panel._sliders["k"].value = 3
    assert "three is too much" in panel._said.value


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((3, {"k": [1]}), "The 'look' parameter must be a function of the settings. Got 3"),
        ((_squares, {}), "The 'settings' parameter must be names of sliders, each with the"),
        ((_squares, {"k": []}), "The 'settings' parameter must be names of sliders, each with"),
        ((_squares, [1]), "The 'settings' parameter must be names of sliders, each with the"),
        ((lambda k: (None, 3), {"k": [1]}), "What 'look' returns must end with scores by name."),
    ],
)
def test_bad_arguments(arguments, said):
    with pytest.raises((TypeError, ValueError)) as error:
        lesson.Explore(*arguments)
    assert str(error.value).startswith(said)


def test_a_setting_that_no_slider_has():
    with pytest.raises(ValueError, match=r"The 'k' parameter must be one of \[1, 2\]"):
        lesson.Explore(_squares, {"k": [1, 2]}, start={"k": 5})
    panel = lesson.Explore(_squares, {"k": [1, 2]})
    with pytest.raises(ValueError, match="The 'setting' parameter must be a value for each"):
        panel.setting = {}


# ---- pictures ------------------------------------------------------------------------------------


def test_a_map_with_rings():
    view = cl.Embedding(
        ids=list("abcd"), vectors=np.eye(4)[:, :2].astype("float32") + 1, metric="euclidean"
    )
    colors = pd.Series([0, 1, 0, 1], index=list("abcd"))
    figure = lesson.scatter(view, color=colors, ring=["b", "d"], title="<b>")
    axes = figure.axes[0]
    assert figure._repr_html_().startswith("<img src='data:image/png;base64,")
    assert len(axes.collections) == 3
    assert len(axes.collections[-1].get_offsets()) == 2
    with pytest.raises(ValueError, match=r"The 'view' parameter must be of shape \(n, 2\)"):
        lesson.scatter(np.ones((3, 3)))


def test_pictures_of_all_kinds_become_html():
    from curalab_widgets.lesson._pictures import as_html

    assert as_html(None) == ""
    assert as_html("<script>") == "<pre>&lt;script&gt;</pre>"
    assert "<table" in as_html(pd.Series([1], name="x"))
    assert as_html(Image.new("L", (4, 4))).startswith("<img src='data:image/png;base64,")
    assert as_html(Figure()).startswith("<img src='data:image/png;base64,")
    with pytest.raises(TypeError, match="A plotly figure has its own sliders"):
        as_html(go.Figure())
