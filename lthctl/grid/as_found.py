"""What a retraining takes from its ticket: model, dataset, and how it was trained."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lthctl.artifacts.folders import TicketFolder
from lthctl.artifacts.names import TICKET_JSON
from lthctl.artifacts.ticket import Ticket, find_tickets
from lthctl.canonical import canonical_json
from lthctl.datasets.base import Dataset
from lthctl.datasets.described import DescribedDatasets
from lthctl.datasets.entry import open_folder
from lthctl.errors import LthctlError, ParamsError, TicketError
from lthctl.families import DATASETS, is_own, trusted
from lthctl.lottery.as_found import train_as_found
from lthctl.models.base import Model, ModelDescription
from lthctl.models.described import known_model
from lthctl.models.entry import model_from
from lthctl.params import Params, RoundParams, TrainParams, TrainSection
from lthctl.training.asked import refuse_unread_training

SHOWN = frozenset({"steps", "batch_size", "optimizer", "lr"})
"""The settings that people are shown."""


@dataclass(frozen=True)
class Taken:
    """How some tickets are retrained.

    Attributes:
      train: how, with nothing left out.
      found: how they were found; None where they hold nothing of it.
      is_stated: whether flags or params.yaml say all of `SHOWN`.
      otherwise: what params.yaml says of model and data that is not so in the ticket, a sentence
        each. The ticket counts.
    """

    train: TrainParams
    found: RoundParams | None
    is_stated: bool
    otherwise: tuple[str, ...] = ()


class Sources:
    """Gives each ticket its model, dataset and training."""

    def __init__(
        self,
        params: Params,
        data: Path | None,
        paths: Sequence[Path],
        held_to: Collection[str],
        beside: Sequence[RoundParams] | None = None,
    ) -> None:
        """Args:
        params: what is stated.
        data: folder of the dataset; where it lies if that is None.
        paths: tickets, or folders of them. Those among them that hold no settings, such as the
          dense one, are trained like the others; where there are no others, like those in the
          folder around them.
        held_to: the parameters, such as "model.layers", in which a ticket has to agree. In others
          that are stated of model and data, the ticket counts.
        beside: the settings of those tickets, where somebody else has read them.
        """
        self._params, self._data = params, data
        self._keys = {
            section: {path.split(".")[1] for path in held_to if path.startswith(f"{section}.")}
            for section in ("model", "data")
        }
        self._described = DescribedDatasets(params.data, data)
        if beside is None:
            found = self._settings_of(find_tickets(*paths))
            beside = found or self._settings_of(_neighbours(paths))
        self.beside = beside
        """The settings that a ticket without any is retrained with; those that what is stated makes
        equal count once."""
        self._models: dict[bytes, Model] = {}
        self.taken: dict[str, Taken] = {}
        """Ticket name -> how it is retrained."""

    def train(self, ticket: Ticket, *, where: str) -> TrainParams:
        """How a ticket is retrained, with nothing resolved yet.

        Raises:
          ParamsError: it holds no settings, and the tickets beside it differ in theirs.
        """
        stated = self._params.train
        if ticket.train is None and len(self.beside) > 1:
            raise ParamsError(
                f"{where}: holds no training settings, and the tickets beside it were found with "
                f"several: {_differences(self.beside)}; give these as flags or in params.yaml, or "
                "retrain it by itself"
            )
        found = ticket.train or next(iter(self.beside), None)
        num_images = 0
        if stated.epochs is not None:
            num_images = len(self.dataset(ticket).train)
        in_steps = _in_steps(stated, num_images, found)
        train = train_as_found(in_steps, found)
        refuse_unread_training(train, in_steps)
        length = {"steps"} if stated.epochs is not None else set()
        is_stated = stated.model_fields_set | length >= SHOWN
        self.taken[ticket.name] = Taken(train, found, is_stated, tuple(self._otherwise(ticket)))
        return train

    def dataset(self, ticket: Ticket) -> Dataset:
        """The dataset of a ticket; of an imported one, what is stated."""
        if ticket.data is None:
            return open_folder(self._params.data, self._data).dataset(
                self._params.data, ticket.seed
            )
        return self._described(ticket.data, ticket.seed)

    def model(self, ticket: Ticket, *, where: str) -> Model:
        """The model of a ticket; what is stated, where it has to agree, or where the ticket's own
        cannot be built.

        Raises:
          TicketError: it has to agree with what is stated of its data, and does not.
        """
        for name, theirs, here in self._data_otherwise(ticket):
            if name in self._keys["data"]:
                raise TicketError(
                    f"{where}: was found with data.{name} {theirs}, expected {here}; leave that "
                    "out, or choose other tickets"
                )
        described = ticket.model
        if self._keys["model"] and not self._is_stated_model(described):
            return model_from(self._params.model)
        key = canonical_json(described.to_json())
        if key not in self._models:
            own = is_own(described.name) and described.name not in trusted()
            built = None if own else known_model(described, may_import=True)
            self._models[key] = built or model_from(self._params.model)
        return self._models[key]

    def _is_stated_model(self, described: ModelDescription) -> bool:
        stated = self._params.model
        if self._keys["model"] == {"name"} and described.name == stated.name:
            return True
        return model_from(stated).describe() == described

    def _otherwise(self, ticket: Ticket) -> Iterable[str]:
        stated = self._params.model
        if stated.model_fields_set and not self._keys["model"]:
            try:
                here = model_from(stated).describe()
            except ParamsError:
                return
            if here != ticket.model:
                yield f"model {here.name}, and they are of {ticket.model.name}"
        for name, theirs, here_too in self._data_otherwise(ticket):
            yield f"data.{name} {here_too}, and they were found with {theirs}"

    def _data_otherwise(self, ticket: Ticket) -> Iterable[tuple[str, object, object]]:
        """What is stated of the data and is not so: its name, the ticket's value, that here."""
        stated, theirs = self._params.data, ticket.data
        if theirs is None:
            return
        known = DATASETS.names()
        held_out = theirs.validation if theirs.test else 0
        values = {"name": theirs.name, "holdout": held_out}
        values |= {key: getattr(theirs, key) for key in ("normalize", "augment")}
        for name in sorted(values.keys() & stated.model_fields_set):
            here = getattr(stated, name)
            if name == "name" and not {here, theirs.name} <= set(known):
                continue  # somebody's own dataset may call itself as it likes
            if name == "holdout" and not here and theirs.name not in known:
                continue  # it may have test images of its own
            if here != values[name]:
                yield name, values[name], here

    def _settings_of(self, folders: Sequence[Path]) -> list[RoundParams]:
        """The settings of tickets; equal results count once."""
        stated = self._params.train
        by_result: dict[TrainParams, RoundParams] = {}
        for folder in folders:
            try:
                document = TicketFolder(folder).document
            except LthctlError:  # whoever needs this ticket says so
                continue
            if (found := document.train) is not None:
                num_images = document.data.train if document.data else 0
                in_steps = _in_steps(stated, num_images, found)
                by_result.setdefault(train_as_found(in_steps, found), found)
        return list(by_result.values())


def _in_steps(stated: TrainSection, num_images: int, found: RoundParams | None) -> TrainParams:
    """What is stated, with epochs as steps, of the batches that the training will have."""
    if found is None or "batch_size" in stated.model_fields_set:
        return stated.for_images(num_images)
    return stated.for_images(num_images, found.batch_size)


def _neighbours(paths: Sequence[Path]) -> list[Path]:
    """The tickets in the folders around single tickets."""
    around = {path.parent for path in paths if (path / TICKET_JSON).is_file()}
    return sorted(json.parent for folder in around for json in folder.glob(f"*/{TICKET_JSON}"))


def _differences(settings: Sequence[RoundParams]) -> str:
    differing = []
    for name in RoundParams.model_fields:
        values = sorted({str(getattr(one, name)) for one in settings})
        if len(values) > 1:
            differing.append(f"{name} {' and '.join(values)}")
    return ", ".join(differing)
