"""The pool that methods are functions of, and the one function that runs any method."""

from curalab._check import AnyArray, BoolArray, FloatArray, IntArray
from curalab.pool._methods import describe, method_names, methods, plugin_names, resolve
from curalab.pool._pool import Pool, as_pool, cluster_codes, group_codes
from curalab.pool._run import Answer, run
from curalab.pool._stage import Array, Stage, find_stage, stages

__all__ = [
    "Answer",
    "AnyArray",
    "Array",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "Pool",
    "Stage",
    "as_pool",
    "cluster_codes",
    "describe",
    "find_stage",
    "group_codes",
    "method_names",
    "methods",
    "plugin_names",
    "resolve",
    "run",
    "stages",
]
