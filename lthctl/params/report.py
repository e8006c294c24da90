"""The section `report`: how runs are judged."""

from typing import Annotated

from pydantic import Field

from lthctl.parameter_types import Ladders, Looks, Select, Targets
from lthctl.params.section import Section


class ReportParams(Section):
    """How runs are judged; accuracies are fractions in [0, 1].

    Example:
      >>> ReportParams(margin=0.005).margin
      0.005
    """

    schema_1 = frozenset({"margin", "confidence"})

    margin: Annotated[float, Field(gt=0, lt=1)] = 0.002
    """Accuracy that "as good as dense" may cost, as a fraction: 0.002 is 0.2 points. Fix it before
    you look."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Confidence of intervals and verdicts."""

    select: Select = "max-accuracy"
    """The step that the accuracy of a run is read at: `max-accuracy`, of maximum validation
    accuracy; or `min-loss`, of minimum validation loss, as in the paper. Where there are test
    images, the accuracy is theirs at that step. Fix it before you look."""

    targets: Targets = (0.97, 0.98)
    """Validation accuracies, as fractions. The report says when runs reach them. The answers are
    about the first. Fix them before you look."""

    primary: Ladders = ()
    """The ladders that the answers are about, such as `l1-n5`: method l1 in 5 rounds. Several share
    the error of one report, and the sentences are about the first. If none is given, it is that of
    the first method with the most rounds. Fix them before you look."""

    looks: Looks = ()
    """Numbers of seeds at which you look, such as `[5, 10, 20]`. Each look then has a bound of its
    own, so that all of them together keep the error. Nothing is decided between looks. If none is
    given, the report holds for a number of seeds that was fixed beforehand."""
