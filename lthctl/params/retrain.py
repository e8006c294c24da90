"""The section `retrain`: which tickets are retrained from what."""

from fnmatch import fnmatchcase

from lthctl.parameter_types import Controls, Draws, MethodsOfControls, Seed, TicketsOfControls
from lthctl.params.section import Section


class RetrainParams(Section):
    """Which tickets are retrained from what, and what of it is kept.

    Example:
      >>> RetrainParams(tickets={"reinit": "l1-*"}).wants("reinit", "random", "random-r0.80-n5")
      False
    """

    schema_1 = frozenset({"keep_weights"})

    keep_weights: bool = True
    """Whether runs keep their final weights (1 MB each for 784-300-100-10)."""

    control: Controls = ()
    """What tickets are retrained from. If none is given, `lthctl retrain` takes `rewind`, and
    `lthctl run` takes `rewind` and `reinit`."""

    order_seed: Seed | None = None
    """Seed of the order of the batches of a second copy of every run, beside the first. `lthctl
    connect` joins both, and tells whether the network is stable. If none is given, there is no
    second copy."""

    draws: Draws = 1
    """Draws of every control that draws random numbers. Each is a run of its own. The report
    averages them within their seed."""

    methods: MethodsOfControls = {}
    """Control -> the methods whose tickets it is for, such as `reinit: [l1]`. A control that is not
    named here is for all tickets."""

    tickets: TicketsOfControls = {}
    """Control -> the tickets that it is for, by their names without the seed, such as
    `reinit: [l1-r0.80-n5]`. A `*` stands for anything. A control that is not named here is for all
    tickets."""

    @property
    def orders(self) -> tuple[int | None, ...]:
        """The orders of the batches that a ticket is retrained in: its own, which is None, and that
        of the second copy."""
        return (None,) if self.order_seed is None else (None, self.order_seed)

    def wants(self, control: str, method: str, ticket: str) -> bool:
        """Whether a ticket is retrained under a control.

        Args:
          control: the control.
          method, ticket: of the ticket, its name without the seed.
        """
        names = self.tickets.get(control, ("*",))
        return method in self.methods.get(control, (method,)) and any(
            fnmatchcase(ticket, name) for name in names
        )
