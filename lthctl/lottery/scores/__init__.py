"""Pruning methods: a method is only a score. Each has a file here, and an entry in `families`.

A method of one's own is a function of one parameter, the context, that returns a score for every
weight that may be pruned. It is called `module:name` in `prune.method` and `--method`.
"""

from lthctl.lottery.scores.base import (
    SAMPLE_IMAGES,
    SCORES,
    Score,
    ScoreContext,
    Scores,
    as_score,
    densities_by,
    needs_training,
    own_score,
    scored_by,
)

__all__ = [
    "SAMPLE_IMAGES",
    "SCORES",
    "Score",
    "ScoreContext",
    "Scores",
    "as_score",
    "densities_by",
    "needs_training",
    "own_score",
    "scored_by",
]
