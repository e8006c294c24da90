"""By chance: any weights go. What every other method has to beat."""

from lthctl.lottery.scores.base import Score, ScoreContext, Scores


def score(context: ScoreContext) -> Scores:
    """Uniform random numbers, others in every round."""
    return {name: context.stream.uniform(kept.shape) for name, kept in sorted(context.mask.items())}


RANDOM = Score(
    score,
    needs="nothing",
    words="by chance",
    colour="#d55e00",
    page_colours=("#c1520a", "#f0944d"),
)
