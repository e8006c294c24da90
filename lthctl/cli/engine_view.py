"""What is assumed of a model, and nobody asked for."""

from lthctl.cli.console import say
from lthctl.params import Params


def say_what_is_assumed(params: Params) -> None:
    """Say why an MLP is trained by another engine than the sparse one, if it is: it may be several
    times as slow. And say which parameters count once, though they have several names."""
    from lthctl.models.entry import model_from
    from lthctl.models.mlp import MLP
    from lthctl.training.engines import passed_over

    model, train = model_from(params.model), params.train.for_images(1)
    if isinstance(model, MLP) and (why := passed_over(train, model, params.data.augment)):
        say(f"train.engine: auto passes over {why}")
    for other, first in getattr(model, "other_names", {}).items():
        say(f"model: {other} is {first}; they are one parameter, which counts once, as {first}")
