"""The types of parameters, with their ranges: names of members, counts, seeds, lists of them.

A list may be given as one value, and seeds as a range such as "1-20".
"""

from lthctl.parameter_types.names import LADDER as LADDER
from lthctl.parameter_types.names import Control as Control
from lthctl.parameter_types.names import Controls as Controls
from lthctl.parameter_types.names import DatasetName as DatasetName
from lthctl.parameter_types.names import Engine as Engine
from lthctl.parameter_types.names import Init as Init
from lthctl.parameter_types.names import Ladders as Ladders
from lthctl.parameter_types.names import LayerPattern as LayerPattern
from lthctl.parameter_types.names import LayerPatterns as LayerPatterns
from lthctl.parameter_types.names import Method as Method
from lthctl.parameter_types.names import MethodOrDense as MethodOrDense
from lthctl.parameter_types.names import Methods as Methods
from lthctl.parameter_types.names import MethodsOfControls as MethodsOfControls
from lthctl.parameter_types.names import ModelName as ModelName
from lthctl.parameter_types.names import Optimizer as Optimizer
from lthctl.parameter_types.names import Precision as Precision
from lthctl.parameter_types.names import Schedule as Schedule
from lthctl.parameter_types.names import Scope as Scope
from lthctl.parameter_types.names import Select as Select
from lthctl.parameter_types.names import TicketsOfControls as TicketsOfControls
from lthctl.parameter_types.normalize import MAX_CHANNELS as MAX_CHANNELS
from lthctl.parameter_types.normalize import Moments as Moments
from lthctl.parameter_types.normalize import Normalize as Normalize
from lthctl.parameter_types.numbers import Count as Count
from lthctl.parameter_types.numbers import Counts as Counts
from lthctl.parameter_types.numbers import Digest as Digest
from lthctl.parameter_types.numbers import Draws as Draws
from lthctl.parameter_types.numbers import Fraction as Fraction
from lthctl.parameter_types.numbers import LayerRatios as LayerRatios
from lthctl.parameter_types.numbers import Looks as Looks
from lthctl.parameter_types.numbers import Natural as Natural
from lthctl.parameter_types.numbers import Naturals as Naturals
from lthctl.parameter_types.numbers import Ratio as Ratio
from lthctl.parameter_types.numbers import Ratios as Ratios
from lthctl.parameter_types.numbers import Seed as Seed
from lthctl.parameter_types.numbers import Sizes as Sizes
from lthctl.parameter_types.numbers import Targets as Targets
from lthctl.parameter_types.rates import Drops as Drops
from lthctl.parameter_types.rates import Rate as Rate
from lthctl.parameter_types.rates import rate_text as rate_text
from lthctl.parameter_types.seeds import RANGE_LIMIT as RANGE_LIMIT
from lthctl.parameter_types.seeds import Seeds as Seeds
from lthctl.parameter_types.values import PARAMETERS_LIMIT as PARAMETERS_LIMIT
from lthctl.parameter_types.values import ParametersByName as ParametersByName
from lthctl.parameter_types.values import Text as Text
from lthctl.parameter_types.values import not_null as not_null
from lthctl.parameter_types.values import shown as shown
