"""Families: what a name such as `l1` or `mypackage.scores:taylor` stands for.

A family has built-in members, each a module and an attribute that are imported when first asked
for. So listing names imports nothing. A name with a colon is a member that a person brings.
"""

from lthctl.families.family import PLAIN_NAME as PLAIN_NAME
from lthctl.families.family import Family as Family
from lthctl.families.family import checked_callable as checked_callable
from lthctl.families.family import choices as choices
from lthctl.families.family import sources_of as sources_of
from lthctl.families.members import CONTROLS as CONTROLS
from lthctl.families.members import DATASETS as DATASETS
from lthctl.families.members import ENGINES as ENGINES
from lthctl.families.members import EXECUTORS as EXECUTORS
from lthctl.families.members import FAMILIES as FAMILIES
from lthctl.families.members import MODELS as MODELS
from lthctl.families.members import OPTIMIZERS as OPTIMIZERS
from lthctl.families.members import SCHEDULES as SCHEDULES
from lthctl.families.members import SCORES as SCORES
from lthctl.families.members import TRACKERS as TRACKERS
from lthctl.families.members import WORKPLACES as WORKPLACES
from lthctl.families.nearest import nearest as nearest
from lthctl.families.own_code import OWN_NAME as OWN_NAME
from lthctl.families.own_code import is_own as is_own
from lthctl.families.own_code import trust as trust
from lthctl.families.own_code import trusted as trusted
