"""Small heads on frozen vectors: out-of-fold probabilities, and what a head thinks as it learns."""

from curalab.heads._dynamics import training_dynamics
from curalab.heads._folds import PENALTIES, folds_of, out_of_fold_proba, with_proba
from curalab.heads._kernel import kernel_features
from curalab.heads._linear import Head, fit_head

__all__ = [
    "PENALTIES",
    "Head",
    "fit_head",
    "folds_of",
    "kernel_features",
    "out_of_fold_proba",
    "training_dynamics",
    "with_proba",
]
