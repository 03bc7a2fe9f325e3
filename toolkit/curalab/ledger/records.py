"""Decisions in the JSON of annotation tools: Argilla, Label Studio, COCO.

Each has questions with answers. A decision answers the question named like its field; one on the
row itself answers `row_decision` with "keep" or "drop".
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from curalab._check import complain

__all__ = ["READERS", "WRITERS", "Answer", "Json", "Shown", "answered", "question_of"]

_ROW = "row_decision"
Json = Any
Shown = Callable[[Json], dict[str, str]]  # what annotators see of a row: its columns as text


class Answer(NamedTuple):
    """One decision as answer to a question; ids and values as JSON holds them.

    `is_rule` says that a method decided, not a person; `time` is "" where it is not known.
    """

    row: Json
    question: str
    value: Json
    actor: str | None
    is_rule: bool = False
    score: float | None = None
    time: str = ""
    reason: str = ""


def question_of(field: str | None) -> str:
    """Return the question that decisions on a field answer."""
    return _ROW if field is None else field


def answered(question: str, value: object) -> dict[str, object]:
    """Return the action, field and new value of an answer."""
    if question == _ROW:
        return {"action": value, "field": None, "new": None}
    action = {"weight": "weight", "tags": "tag"}.get(question, "relabel")
    return {"action": action, "field": question, "new": value}


def _by(answers: Iterable[Answer], *names: str) -> dict[Any, list[Answer]]:
    """Return answers that share what is named, in order; as JSON, for 1 and True are one key."""
    groups: dict[Any, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[json.dumps([getattr(answer, name) for name in names])].append(answer)
    return groups


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _values(answers: list[Answer]) -> Json:
    """Return the value of a question; tags are a list, as one row has several."""
    is_list = answers[0].question == "tags"
    return [answer.value for answer in answers] if is_list else answers[-1].value


def _each_value(question: str, value: Json) -> list[Json]:
    if isinstance(value, list):
        if question != "tags" and len(value) > 1:
            raise ValueError(
                complain("path", "a file with one label for each question", what=repr(value))
            )
        return value or ([] if question == "tags" else [None])
    return [value]


# ---- Argilla -------------------------------------------------------------------------------------


def write_argilla(answers: list[Answer], shown: Shown) -> Json:
    """Return records: what methods decided as suggestions, what people decided as responses."""
    return [_argilla_record(of_row, shown) for of_row in _by(answers, "row").values()]


def _argilla_record(answers: list[Answer], shown: Shown) -> Json:
    row = answers[0].row
    suggested = _by((a for a in answers if a.is_rule), "question", "actor").values()
    responses = []
    for own in _by((a for a in answers if not a.is_rule), "actor").values():
        asked = _by(own, "question").values()
        dropped = any(a.question == _ROW and a.value == "drop" for a in own)
        responses.append(
            {
                "user_id": own[0].actor,
                "status": "discarded" if dropped else "submitted",
                "values": {same[0].question: {"value": _values(same)} for same in asked},
            }
        )
    return {
        "id": _text(row),
        "fields": shown(row) or {"row_id": _text(row)},
        "metadata": {"row_id": row},
        "suggestions": [
            {
                "question_name": a.question,
                "value": _values(same),
                "agent": a.actor,
                "score": a.score,
            }
            for same in suggested
            for a in same[-1:]
        ],
        "responses": responses,
    }


def read_argilla(record: Json) -> Iterator[Answer]:
    """Read a record; drafts are no decisions, and what people said comes after the suggestions."""
    row = (record.get("metadata") or {}).get("row_id", record.get("id"))
    for told in _listed(record.get("suggestions"), "question_name"):
        question = told["question_name"]
        for value in _each_value(question, told["value"]):
            yield Answer(row, question, value, told.get("agent"), True, told.get("score"))
    for told in _responses(record.get("responses") or []):
        values, who = told.get("values") or {}, told.get("user_id")
        if told.get("status", "submitted") not in ("submitted", "discarded"):
            continue
        if told.get("status") == "discarded" and _ROW not in values:
            yield Answer(row, _ROW, "drop", who)
        for question, cell in values.items():
            for value in _each_value(question, cell["value"]):
                yield Answer(row, question, value, who)


def _listed(told: Json, name: str) -> list[dict[str, Any]]:
    """Return suggestions as a list, also where they stand under the names of their questions."""
    if isinstance(told, dict):
        return [{name: key, **one} for key, one in told.items()]
    return told or []


def _responses(told: Json) -> Iterator[dict[str, Any]]:
    if not isinstance(told, dict):
        yield from told
        return
    for question, each in told.items():
        for one in each:
            yield {**one, "values": {question: {"value": one["value"]}}}


# ---- Label Studio --------------------------------------------------------------------------------


def write_label_studio(answers: list[Answer], shown: Shown) -> Json:
    """Return tasks: what methods decided as predictions, what people decided as annotations."""
    tasks = []
    for number, of_row in enumerate(_by(answers, "row").values(), 1):
        given: dict[str, list[Json]] = {"annotations": [], "predictions": []}
        for same in _by(of_row, "question", "actor").values():
            a = same[-1]
            if a.is_rule:
                head: Json = {"model_version": a.actor, "score": a.score}
            else:
                head = {"completed_by": {"email": a.actor}, "created_at": a.time}
            done = {**head, "result": [_result(a, _values(same))]}
            given["predictions" if a.is_rule else "annotations"].append(done)
        row = of_row[0].row
        tasks.append({"id": number, "data": {**shown(row), "row_id": row}, **given})
    return tasks


def _result(answer: Answer, value: Json) -> Json:
    result = {"from_name": answer.question, "to_name": "row"}
    meta: dict[str, Json] = {"text": [answer.reason]} if answer.reason else {}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {**result, "type": "number", "value": {"number": value}, "meta": meta}
    listed = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(each, str) for each in listed):
        meta["values"] = listed  # choices are text; here is what they were
    choices = {"choices": [_text(each) for each in listed]}
    return {**result, "type": "choices", "value": choices, "meta": meta}


def read_label_studio(task: Json) -> Iterator[Answer]:
    """Read classifications; skipped tasks are no decisions, people come after predictions."""
    row = task["data"].get("row_id", task.get("id"))
    for told in task.get("predictions") or []:
        for question, value, _ in _results(told):
            who, score = told.get("model_version"), told.get("score")
            yield Answer(row, question, value, who, True, score)
    for told in task.get("annotations") or []:
        if not told.get("was_cancelled"):
            who, time = _completed_by(told.get("completed_by")), str(told.get("created_at") or "")
            for question, value, reason in _results(told):
                yield Answer(row, question, value, who, time=time, reason=reason)


def _results(told: Json) -> Iterator[tuple[str, Json, str]]:
    for result in told["result"]:
        kind, question = result["type"], result["from_name"]
        if kind not in ("choices", "number", "rating", "textarea", "datetime"):
            rule = "a file of classifications: choices, number, rating, textarea or datetime"
            raise ValueError(complain("path", rule, what=f"the type {kind!r}"))
        meta = result.get("meta") or {}
        value = meta.get("values", result["value"]["text" if kind == "textarea" else kind])
        said = meta.get("text") or ""
        for each in _each_value(question, value):
            yield question, each, said if isinstance(said, str) else " ".join(said)


def _completed_by(who: Json) -> str | None:
    if isinstance(who, dict):
        return who.get("email") or _completed_by(who.get("id"))
    return who if who is None or isinstance(who, str) else f"user {who}"


# ---- COCO ----------------------------------------------------------------------------------------


def write_coco(answers: list[Answer], shown: Shown) -> Json:
    """Return images, annotations without boxes, and a category for each answer to each question."""
    images = {key: n for n, key in enumerate(_by(answers, "row"), 1)}
    kinds = _by(answers, "question", "value")
    numbers = {key: n for n, key in enumerate(kinds, 1)}
    return {
        "info": {"description": "Decisions of a curalab ledger", "version": "1"},
        "images": [
            {"id": n, "file_name": _text(*json.loads(key)), "row_id": json.loads(key)[0]}
            for key, n in images.items()
        ],
        "annotations": [
            {
                "id": n,
                "image_id": images[json.dumps([a.row])],
                "category_id": numbers[json.dumps([a.question, a.value])],
                "attributes": {"actor": a.actor, "is_rule": a.is_rule, "reason": a.reason},
            }
            for n, a in enumerate(answers, 1)
        ],
        "categories": [
            {"id": n, "name": _text(a.value), "supercategory": a.question, "value": a.value}
            for n, (a, *_) in zip(numbers.values(), kinds.values(), strict=True)
        ],
    }


def read_coco(told: Json) -> Iterator[Iterator[Answer]]:
    """Read annotations; in files of others a category answers the question `label`."""
    rows = {each["id"]: each.get("row_id", each["file_name"]) for each in told["images"]}
    kinds = {
        each["id"]: (each["supercategory"], each["value"])
        if "value" in each
        else ("label", each["name"])
        for each in told["categories"]
    }
    return (_of_annotation(each, rows, kinds) for each in told["annotations"])


def _of_annotation(told: Json, rows: dict[Json, Json], kinds: dict[Json, Json]) -> Iterator[Answer]:
    about = told.get("attributes") or {}
    question, value = kinds[told["category_id"]]
    who, is_rule = about.get("actor"), bool(about.get("is_rule"))
    reason = about.get("reason") or ""
    yield Answer(rows[told["image_id"]], question, value, who, is_rule, reason=reason)


WRITERS: dict[str, Callable[[list[Answer], Shown], Json]] = {
    "argilla": write_argilla,
    "label_studio": write_label_studio,
    "coco": write_coco,
}
# The answers of each record: of what a file lists.
READERS: dict[str, Callable[[Json], Iterator[Iterator[Answer]]]] = {
    "argilla": lambda records: map(read_argilla, records),
    "label_studio": lambda tasks: map(read_label_studio, tasks),
    "coco": read_coco,
}
