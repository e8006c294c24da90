"""The sections of params.yaml by their names."""

from collections.abc import Mapping

from lthctl.params.data import DataParams
from lthctl.params.model import ModelParams
from lthctl.params.prune import PruneParams
from lthctl.params.report import ReportParams
from lthctl.params.retrain import RetrainParams
from lthctl.params.section import Section
from lthctl.params.train import TrainSection

SECTIONS: Mapping[str, type[Section]] = {
    "data": DataParams,
    "model": ModelParams,
    "train": TrainSection,
    "prune": PruneParams,
    "retrain": RetrainParams,
    "report": ReportParams,
}
"""A section is a stage of an experiment, or what several stages need."""
