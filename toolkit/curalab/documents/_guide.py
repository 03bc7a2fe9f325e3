"""A guide for annotators: what belongs to each class, by examples and words."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import align, check_integer, check_seed, complain, first_few
from curalab._hidden import is_metrics_only, refuse_to_show
from curalab.documents._exemplars import chosen_exemplars, retrieval_precision
from curalab.documents._markdown import as_text, plain, table
from curalab.heads import fit_head, folds_of
from curalab.items._images import opened, why_unreadable
from curalab.items._table import kind_of
from curalab.pool import BoolArray, FloatArray, IntArray, Pool, as_pool, find_stage
from curalab.results import StageResult

__all__ = ["LabelingGuide", "labeling_guide"]

_FOLDS = 3
_PAIRS = 10
_THUMBNAIL = 96  # pixels


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LabelingGuide(StageResult):
    """What belongs to each class; row i belongs to the class `ids[i]`.

    Attributes
    ----------
    size : ndarray of shape (n_classes,), int
        Items of each class.
    quality : ndarray of shape (n_classes,), float
        Average precision, 0 to 1, at which the exemplars retrieve the class among items that
        they were not chosen on; NaN for a class of one item.
    exemplars : list of list
        Ids of the items that stand for the class, the most telling first.
    borderline : list of list
        Ids of members between their class and another, the most undecided first.
    words : list of list of str
        Words that set the class apart; none where the items are no texts.
    confused : DataFrame
        The pairs of classes most mistaken for each other: `class`, `other`, `confusion` (mean
        probability that a model gives the one to members of the other, 0 to 1).
    """

    prefix: ClassVar[str] = "class"

    size: IntArray
    quality: FloatArray
    exemplars: list[list[Any]]
    borderline: list[list[Any]]
    words: list[list[str]]
    confused: pd.DataFrame
    shown: Mapping[Any, Any] = field(default_factory=dict, metadata={"unsaved": True})

    @property
    def summary(self) -> str:
        return f"retrieval mAP {pd.Series(self.quality).mean():.3f}"

    def __repr__(self) -> str:
        return f"LabelingGuide({len(self):,} classes, {self.summary})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a class: size, quality, exemplars, borderline items and words."""
        told = {f"class_{name}": getattr(self, name) for name in ("exemplars", "borderline")}
        words = [", ".join(row) for row in self.words]
        return super().to_frame().assign(**told, class_words=words)

    def to_markdown(self) -> str:
        """Return the guide as Markdown: ids of items, with their texts where they have any."""
        refuse_to_show("The labelling guide")
        lines = ["# Labelling guide", "", "## Easily confused", "", *table(self._pairs())]
        for at, name in enumerate(self.ids):
            lines += [f"## {plain(name)}", "", f"{self.size[at]:,} items; {self._found(at)}.", ""]
            if self.words[at]:
                lines += [f"Words: {', '.join(map(plain, self.words[at]))}.", ""]
            for title, ids in (("Typical", self.exemplars), ("Borderline", self.borderline)):
                lines += [f"{title}:", "", *(f"- {self._line(i)}" for i in ids[at]), ""]
        return "\n".join(lines)

    def _pairs(self) -> pd.DataFrame:
        return self.confused.assign(confusion=self.confused["confusion"].map("{:.1%}".format))

    def _found(self, at: int) -> str:
        return f"the typical ones find others at average precision {self.quality[at]:.2f}"

    def _line(self, i: Any) -> str:
        item = self.shown.get(i)
        return plain(i) + (f": {plain(item)}" if kind_of(item) == "text" else "")

    def _repr_html_(self) -> str:
        if is_metrics_only():
            return super()._repr_html_()
        rows = []
        for at, name in enumerate(self.ids):
            cells = [
                "".join(map(self._picture, ids[at])) for ids in (self.exemplars, self.borderline)
            ]
            words = escape(", ".join(self.words[at]))
            head = f"<th title='{self._found(at)}'>{escape(as_text(name))}</th>"
            rows.append(f"<tr>{head}<td>{cells[0]}</td><td>{cells[1]}</td><td>{words}</td></tr>")
        head = "<tr><th>class</th><th>typical</th><th>borderline</th><th>words</th></tr>"
        pairs = self._pairs().map(as_text).to_html(index=False, border=0)
        told = f"<p><code>{escape(repr(self))}</code></p><table>{head}{''.join(rows)}</table>"
        return f"{told}<p>Easily confused</p>{pairs}"

    def _picture(self, i: Any) -> str:
        item, name = self.shown.get(i), escape(as_text(i))
        try:
            said = as_text(item) if kind_of(item) == "text" else ""
            image = opened(item) if kind_of(item) == "image" else None
        except Exception as error:  # a decoder may raise anything
            said, image = why_unreadable(error), None
        if image is None:
            return f"<p>{escape(said)} <small>{name}</small></p>"
        raw = io.BytesIO()
        image.thumbnail((_THUMBNAIL, _THUMBNAIL))
        image.save(raw, "PNG")
        source = base64.b64encode(raw.getvalue()).decode()
        return f"<figure><img src='data:image/png;base64,{source}' alt='{name}'>{name}</figure>"


def labeling_guide(
    embedding: Any,
    labels: Any,
    *,
    items: Any = None,
    proba: Any = None,
    n: int = 3,
    random_state: int | None = None,
) -> LabelingGuide:
    """Write a guide for annotators: exemplars, borderline items and words of each class.

    Exemplars are chosen one after the other: each is the one that most raises the average
    precision at which the exemplars so far retrieve the members of the class.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        Vectors of the items.
    labels : array-like of shape (n_items,)
        A label each; rows without one are left out.
    items : Series, list or array of shape (n_items,), default=None
        Texts or images to show. None takes what was embedded.
    proba : array-like of shape (n_items, n_classes), default=None
        Probabilities by a model that did not see the row. None makes them by linear heads over
        three folds; those of ``curalab.heads.out_of_fold_proba`` are better and take far longer.
    n : int, default=3
        Exemplars, and borderline items, a class at most. A class gets fewer exemplars where
        another one would retrieve less.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    LabelingGuide

    Notes
    -----
    An item is as near to the exemplars as to the nearest of them. A third of each class is held
    out: no exemplar comes from it, and `quality` is measured on it. At most 32 members of a class
    are candidates, and they are ranked among at most 2,000 other rows. The paper [1]_ retrieves
    image crops by pairs of images and texts in CLIP space, over 5 folds; here exemplars are
    items, in whatever space the embedding is, and words stand beside them. Diversity is not
    asked for: a second item of the same kind retrieves nothing new and is not chosen.

    References
    ----------
    .. [1] Chang, Ferroni, Tarr, Hebert, Ramanan (2023), "Thinking Like an Annotator: Generation
       of Dataset Labeling Instructions", arXiv:2306.14035.

    Examples
    --------
    >>> import curalab as cl, numpy as np
    >>> from curalab.documents import labeling_guide
    >>> texts = ["red apple", "green apple", "ripe apple", "fast car", "old car", "my car"]
    >>> x = [[1, 0.1], [1, 0.2], [1, 0.15], [0.1, 1], [0.2, 1], [0.15, 1]]
    >>> emb = cl.Embedding(vectors=x, data=texts)
    >>> proba = np.repeat([[0.9, 0.1], [0.2, 0.8]], 3, axis=0)
    >>> guide = labeling_guide(emb, list("aaaccc"), proba=proba, random_state=0)
    >>> guide
    LabelingGuide(2 classes, retrieval mAP 1.000)
    >>> [words[0] for words in guide.words], guide.confused["confusion"].round(2).tolist()
    (['apple', 'car'], [0.15])
    """
    n = check_integer("n", n, low=1)
    seed = check_seed(random_state)
    pool = as_pool(embedding, labels=labels, proba=proba)
    if items is not None:
        pool = pool.replace(data=align("items", items, pool.ids))
    present = np.unique(pool.codes[pool.is_labelled])
    if len(present) < 2:
        what = f"labels of {first_few(pool.classes[present]) or 'none'}"
        raise ValueError(complain("labels", "of at least two classes", what=what))
    if pool.proba is None:
        pool = pool.replace(proba=_cross_fitted(pool, np.random.default_rng(seed)))
    rng = np.random.default_rng(seed)
    points, codes, n_classes = pool.embedding.points, pool.codes, len(pool.classes)
    is_held = _held_out(codes, n_classes, rng)
    picked = chosen_exemplars(points, np.where(is_held, -1, codes), n_classes, n, rng=rng)
    border = _borderline(pool, picked, n)
    return LabelingGuide(
        ids=pd.Index(pool.classes, name="class"),
        size=np.bincount(codes[codes >= 0], minlength=n_classes),
        quality=retrieval_precision(points, np.where(is_held, codes, -1), picked, rng=rng),
        exemplars=[pool.ids[rows].tolist() for rows in picked],
        borderline=[pool.ids[rows].tolist() for rows in border],
        words=_words(pool),
        confused=_confused(pool),
        shown=_shown(pool, np.concatenate([*picked, *border])),
        params={
            "verb": "labeling_guide",
            "n": n,
            "random_state": seed,
            "embedding": pool.embedding.fingerprint,
        },
    )


def _cross_fitted(pool: Pool, rng: np.random.Generator) -> FloatArray:
    """Return probabilities by heads that did not see the row: no more than ranks are read of them.

    A row without a label gets those of the last head.
    """
    from tqdm.auto import tqdm

    points, codes, n_classes = pool.embedding.points, pool.codes, len(pool.classes)
    fold = np.full(len(codes), -1)
    fold[pool.is_labelled] = folds_of(codes[pool.is_labelled], _FOLDS, rng=rng)
    proba = np.zeros((len(codes), n_classes))
    for i in tqdm(np.unique(fold[fold >= 0]), "heads", delay=2, disable=None):
        seen, left = (fold >= 0) & (fold != i), (fold == i) | (fold < 0)
        proba[left] = fit_head(points[seen], codes[seen], n_classes).predict_proba(points[left])
    return proba


def _held_out(codes: IntArray, n_classes: int, rng: np.random.Generator) -> BoolArray:
    """Mark a third of each class, one row at least where there are two."""
    is_held = np.zeros(len(codes), dtype=bool)
    for c in range(n_classes):
        members = rng.permutation(np.flatnonzero(codes == c))
        is_held[members[: max(len(members) // 3, int(len(members) > 1))]] = True
    return is_held


def _borderline(pool: Pool, picked: list[IntArray], n: int) -> list[IntArray]:
    """Return the members whose own class and the best other are closest, exemplars left out."""
    rows, others = np.arange(len(pool)), np.array(pool.proba)
    own = others[rows, pool.codes]
    others[rows, pool.codes] = -np.inf
    gap = np.abs(own - others.max(axis=1))
    left = [np.setdiff1d(np.flatnonzero(pool.codes == c), took) for c, took in enumerate(picked)]
    return [members[np.argsort(gap[members], kind="stable")[:n]] for members in left]


def _confused(pool: Pool) -> pd.DataFrame:
    known, classes = pool.is_labelled, np.asarray(pool.classes, dtype=object)
    given = pd.DataFrame(pool.proba[known]).groupby(pool.codes[known]).mean()
    share = given.reindex(range(len(classes))).fillna(0).to_numpy()
    a, b = np.triu_indices(len(classes), k=1)
    mean = (share[a, b] + share[b, a]) / 2
    most = np.argsort(-mean, kind="stable")[:_PAIRS]
    told = {"class": classes[a[most]], "other": classes[b[most]], "confusion": mean[most]}
    return pd.DataFrame(told)


def _words(pool: Pool) -> list[list[str]]:
    """Return the words of each class, by the method that tells clusters apart."""
    data = pool.data
    cells = [] if data is None or isinstance(data, pd.DataFrame) else list(data)
    if pd.api.types.infer_dtype(cells) != "string" or {kind_of(cell) for cell in cells} != {"text"}:
        return [[] for _ in pool.classes]
    words = find_stage("explanations").methods["words"]()
    said = words(pool, pool.codes, rng=np.random.default_rng(0))
    return [*said, *[[]] * (len(pool.classes) - len(said))]


def _shown(pool: Pool, rows: IntArray) -> dict[Any, Any]:
    """Return the texts and images of some rows by id; other items are known by their ids."""
    data = pool.data
    if data is None or isinstance(data, pd.DataFrame):
        return {}
    cells = data.iloc if hasattr(data, "iloc") else data
    some = {pool.ids[row]: cells[row] for row in rows}
    return {i: v for i, v in some.items() if isinstance(v, str) or kind_of(v) == "image"}
