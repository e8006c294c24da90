"""The parameters of an experiment: params.yaml as frozen models, with defaults, ranges and errors
that name file, line and column.

Knows what may be asked for, not what is done with it. The value of a parameter is the flag's, else
the file's, else the default here.
"""

from lthctl.params.data import Augment as Augment
from lthctl.params.data import Augmentation as Augmentation
from lthctl.params.data import DataParams as DataParams
from lthctl.params.data import augment_words as augment_words
from lthctl.params.faults import explain as explain
from lthctl.params.model import ModelParams as ModelParams
from lthctl.params.prune import PruneParams as PruneParams
from lthctl.params.report import ReportParams as ReportParams
from lthctl.params.retrain import RetrainParams as RetrainParams
from lthctl.params.section import Section as Section
from lthctl.params.sections import SECTIONS as SECTIONS
from lthctl.params.train import RoundParams as RoundParams
from lthctl.params.train import TrainParams as TrainParams
from lthctl.params.train import TrainSection as TrainSection
from lthctl.params.train import rate_words as rate_words
from lthctl.params.visible import SECTIONS_READ as SECTIONS_READ
from lthctl.params.visible import visible_to as visible_to
from lthctl.params.whole import Params as Params
