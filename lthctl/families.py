"""Families: what a name such as `l1` or `mypackage.scores:taylor` stands for.

A family has built-in members, each a module and an attribute that are imported when first asked
for. So listing names imports nothing. A name with a colon is a member that a person brings. Its
module is imported only if the person gave the name: by a flag, in params.yaml, or to `trust`. A
name that comes out of a file of somebody else's is never imported unasked.
"""

import difflib
import hashlib
import inspect
import re
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module, invalidate_caches
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from lthctl.errors import ParamsError, TrainingError

T = TypeVar("T")

_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]{0,63}"

PLAIN_NAME = "[a-z0-9][a-z0-9_]{0,31}(-[a-z0-9]{1,32})?"

OWN_NAME = rf"{_IDENTIFIER}(\.{_IDENTIFIER}){{0,7}}:{_IDENTIFIER}"
"""A module, a colon and an attribute of it. It holds nothing that a path could be made of."""

_trusted: set[str] = set()


def is_own(name: str) -> bool:
    """Whether a name is of the form `module:attribute`."""
    return re.fullmatch(OWN_NAME, name) is not None


def trust(*names: str) -> None:
    """Allow that the modules of some names are imported.

    Only for names that the person at the keyboard gave, never for what a file of somebody else's
    says. Names without a colon need no trust and are passed over.
    """
    _trusted.update(name for name in names if is_own(name))


def trusted() -> tuple[str, ...]:
    """The names that may be imported, for a process that is to trust the same."""
    return tuple(sorted(_trusted))


_importing = threading.RLock()
"""Held by whoever imports somebody's own module: others would see half of it."""


def _import_from(folder: str, package: str) -> None:
    """Import what a person named from the working folder, if it is there, whatever is installed
    under the same name."""
    if package in sys.modules:
        return
    spec = PathFinder.find_spec(package, [folder])
    if spec is None or spec.loader is None:
        return
    module = sys.modules[package] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[package]
        raise


class Family(Generic[T]):
    """Members of one kind by their names.

    Args:
      noun: what a member is called in messages, as its parameter is.
      built_in: name -> "module:attribute".
      accept: "module:function". The function takes a name and what was found under it, and returns
        the member. It raises TypeError with what was expected if that cannot be one.
      example: a name with a colon, for messages.
      reserved: names that may not be added, as they mean something else.
    """

    def __init__(
        self,
        noun: str,
        built_in: Mapping[str, str],
        *,
        accept: str,
        example: str,
        reserved: tuple[str, ...] = (),
    ) -> None:
        self.noun, self.example = noun, example
        self._built_in, self._accept, self._reserved = dict(built_in), accept, reserved
        self._members: dict[str, T] = {}
        self._sources: dict[str, str] = {}  # of members that are not built in

    def names(self) -> tuple[str, ...]:
        """The names without a colon, in the order in which they are shown."""
        added = [name for name in self._sources if not is_own(name)]
        return (*self._built_in, *added)

    def order(self, name: str) -> tuple[int, str]:
        """Sorts the names that are known here as `names` does, and others behind them."""
        names = self.names()
        return (names.index(name) if name in names else len(names), name)

    def get(self, name: str) -> T:
        """The member of a name; the module of a trusted name is imported.

        Raises:
          ParamsError: there is no such member, it may not be imported, or it is none.
        """
        if name in self._members:
            return self._members[name]
        if name in self._built_in:
            module, attribute = self._built_in[name].split(":")
            member: T = getattr(import_module(module), attribute)
        elif (expected := self.expected_instead_of(name)) is not None:
            close = difflib.get_close_matches(name, self.names(), n=1)
            hint = f"; did you mean {close[0]!r}? Expected" if close else ", expected"
            raise ParamsError(f"{self.noun}: is {name!r}{hint} {expected}")
        elif name not in _trusted:
            raise ParamsError(
                f"{self.noun} {name}: is somebody's own code, which is not run unasked; if you "
                f"trust it, say so with --trust {name}, or name it in params.yaml"
            )
        else:
            module_of_own = self._import(name)
            member = self._accepted(name, self._attribute(name, module_of_own))
            self._sources[name] = self._digest(name, module_of_own)
        return self._members.setdefault(name, member)

    def known(self, name: str) -> T | None:
        """The member of a name, if that takes no import of anybody's own code."""
        return self.get(name) if name in self._members or name in self._built_in else None

    def add(self, name: str, member: object) -> None:
        """Add a member under a name without a colon.

        The SHA-256 of the file that calls this becomes part of the identity of what is made with
        the member.

        Raises:
          ParamsError: the name is taken or malformed, the member is none, or the caller has no
            source file.
        """
        if not re.fullmatch(PLAIN_NAME, name):
            raise ParamsError(
                f"{self.noun}: is {name!r}, expected lower-case letters, digits and underscores"
            )
        if name in self._reserved:
            raise ParamsError(f"{self.noun}: {name!r} means something else; choose another name")
        if name in self._built_in or any(name in family._sources for family in FAMILIES):
            raise ParamsError(f"{self.noun}: there is a {name!r} already; choose another name")
        accepted = self._accepted(name, member)
        path = Path(sys._getframe(1).f_code.co_filename)
        if not path.is_file():
            raise ParamsError(
                f"{self.noun}: {name!r} is added from no file; put it into a module, whose source "
                "is part of the identity"
            )
        self._sources[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        self._members[name] = accepted

    def call(self, name: str, function: Callable[..., object], *given: object) -> object:
        """What the function of a member returns.

        Raises:
          TrainingError: it is somebody's own, and fails.
        """
        try:
            return function(*given)
        except (Exception, SystemExit) as error:
            if self.source_digest(name) is None:  # built in: our own mistake
                raise
            frame = traceback.extract_tb(error.__traceback__)[-1]
            raise TrainingError(
                f"{self.noun} {name}: its function failed at line {frame.lineno} of "
                f"{Path(frame.filename).name} ({type(error).__name__}: {error})"
            ) from error

    def source_digest(self, name: str) -> str | None:
        """SHA-256 of the file that a member was brought in; None for a built-in one, and for one
        that was not asked for yet."""
        return self._sources.get(name)

    def expected_instead_of(self, name: str, *also: str) -> str | None:
        """What a name should be instead, judged without any import; None where it may be one, or is
        one of some others."""
        if name in (*also, *self.names()) or is_own(name):
            return None
        if ":" in name:
            return f"module:name, such as {self.example}"
        return (
            f"{choices((*also, *self.names()))}, or your own as module:name, such as {self.example}"
        )

    def _accepted(self, name: str, given: object) -> T:
        module, attribute = self._accept.split(":")
        try:
            member: T = getattr(import_module(module), attribute)(name, given)
        except TypeError as error:
            kind = f"of type {type(given).__name__}"
            shown = f"the class {given.__name__}" if isinstance(given, type) else kind
            raise ParamsError(f"{self.noun} {name}: is {shown}, expected {error}") from None
        return member

    def _import(self, name: str) -> ModuleType:
        wanted = name.partition(":")[0]
        here = str(Path.cwd())
        if here not in sys.path:
            # Last, so that nothing there takes the place of an installed package.
            sys.path.append(here)
        invalidate_caches()
        try:
            with _importing:
                _import_from(here, wanted.partition(".")[0])
                return import_module(wanted)
        except ModuleNotFoundError as error:
            missing = error.name or wanted
            if wanted == missing or wanted.startswith(f"{missing}."):
                raise ParamsError(
                    f"{self.noun} {name}: there is no module {missing!r}, neither in {here} nor "
                    "among the installed packages"
                ) from None
            raise ParamsError(
                f"{self.noun} {name}: the module {wanted} needs {missing!r}, which is not "
                "installed; install it"
            ) from None
        except (Exception, SystemExit) as error:
            reason = (str(error).splitlines() or [""])[0][:200]
            raise ParamsError(
                f"{self.noun} {name}: the module {wanted} cannot be imported "
                f"({type(error).__name__}: {reason}); mend it"
            ) from error

    def _attribute(self, name: str, module: ModuleType) -> object:
        wanted = name.partition(":")[2]
        if hasattr(module, wanted):
            return getattr(module, wanted)
        there = [key for key in vars(module) if not key.startswith("_")]
        close = difflib.get_close_matches(wanted, there, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(there) or 'nothing'}"
        raise ParamsError(
            f"{self.noun} {name}: the module {module.__name__} has no {wanted!r}; {hint}"
        )

    def _digest(self, name: str, module: ModuleType) -> str:
        try:
            path = inspect.getsourcefile(module)
        except TypeError:
            path = None
        if path is None or not Path(path).is_file():
            raise ParamsError(
                f"{self.noun} {name}: the module {module.__name__} has no source file, which is "
                "part of the identity; write it in Python"
            )
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def checked_callable(
    given: object, num_arguments: int, expected: str, *, or_class: bool = False
) -> Callable[..., Any]:
    """What a person brought, if it can be called as its family calls its members.

    Args:
      given: what a person brought.
      num_arguments: how many it is called with.
      expected: what it should be, in words.
      or_class: whether a class will do.

    Raises:
      TypeError: it is no function, or takes other arguments.
    """
    if not callable(given) or (isinstance(given, type) and not or_class):
        raise TypeError(expected)
    try:
        inspect.signature(given).bind(*[None] * num_arguments)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{expected} ({error})") from None
    return given


def choices(names: tuple[str, ...]) -> str:
    """Names for a message: 'a', 'b' or 'c'."""
    *first, last = map(repr, names)
    return f"{', '.join(first)} or {last}" if first else last


def sources_of(*members: tuple[Family[Any], str]) -> dict[str, str]:
    """Name -> SHA-256 of the source, for those of some members that are not built in."""
    digests = {name: family.source_digest(name) for family, name in members}
    return {name: digest for name, digest in sorted(digests.items()) if digest is not None}


MODELS: Family[Any] = Family(
    "model",
    {
        "mlp": "lthctl.models.mlp:ENTRY",
        "lenet-300-100": "lthctl.models.mlp:LENET_300_100",
        "lenet5": "lthctl.models.lenet5:LENET5",
        "conv2": "lthctl.models.convs:CONV2",
        "conv4": "lthctl.models.convs:CONV4",
        "conv6": "lthctl.models.convs:CONV6",
        "resnet20": "lthctl.models.resnet:RESNET20",
        "resnet32": "lthctl.models.resnet:RESNET32",
        "resnet44": "lthctl.models.resnet:RESNET44",
        "resnet56": "lthctl.models.resnet:RESNET56",
        "vgg11": "lthctl.models.vgg:VGG11",
        "vgg13": "lthctl.models.vgg:VGG13",
        "vgg16": "lthctl.models.vgg:VGG16",
        "vgg19": "lthctl.models.vgg:VGG19",
    },
    accept="lthctl.models.entry:as_model",
    example="mynets:LeNet5",
)

DATASETS: Family[Any] = Family(
    "data",
    {
        "mnist": "lthctl.datasets.mnist:ENTRY",
        "fashion-mnist": "lthctl.datasets.fashion_mnist:ENTRY",
        "kmnist": "lthctl.datasets.kmnist:ENTRY",
        "emnist-balanced": "lthctl.datasets.emnist:ENTRY",
        "cifar10": "lthctl.datasets.cifar:ENTRY_10",
        "cifar100": "lthctl.datasets.cifar:ENTRY_100",
        "svhn": "lthctl.datasets.svhn:ENTRY",
        "folder": "lthctl.datasets.image_folder:ENTRY",
        "npz": "lthctl.datasets.npz:ENTRY",
    },
    accept="lthctl.datasets.entry:as_dataset",
    example="mypackage.data:digits",
)

SCORES: Family[Any] = Family(
    "method",
    {
        "l1": "lthctl.lottery.scores.l1:L1",
        "random": "lthctl.lottery.scores.random:RANDOM",
        "magnitude-init": "lthctl.lottery.scores.magnitude_init:MAGNITUDE_INIT",
        "magnitude-increase": "lthctl.lottery.scores.magnitude_increase:MAGNITUDE_INCREASE",
        "snip": "lthctl.lottery.scores.snip:SNIP",
        "grasp": "lthctl.lottery.scores.grasp:GRASP",
        "synflow": "lthctl.lottery.scores.synflow:SYNFLOW",
        "erk": "lthctl.lottery.scores.erk:ERK",
    },
    accept="lthctl.lottery.scores:as_score",
    example="mypackage.scores:taylor",
    reserved=("dense", "imported"),
)

CONTROLS: Family[Any] = Family(
    "control",
    {
        "rewind": "lthctl.lottery.controls.rewind:REWIND",
        "reinit": "lthctl.lottery.controls.reinit:REINIT",
        "shuffle": "lthctl.lottery.controls.shuffle:SHUFFLE",
        "reinit-signs": "lthctl.lottery.controls.reinit_signs:REINIT_SIGNS",
        "random-ticket": "lthctl.lottery.controls.random_ticket:RANDOM_TICKET",
        "other-mask": "lthctl.lottery.controls.other_mask:OTHER_MASK",
        "finetune": "lthctl.lottery.controls.finetune:FINETUNE",
        "lr-rewind": "lthctl.lottery.controls.lr_rewind:LR_REWIND",
    },
    accept="lthctl.lottery.controls:as_control",
    example="mypackage.controls:zero",
    reserved=("augment", "init", "order", "prune", "split"),  # random streams of other purposes
)

OPTIMIZERS: Family[Any] = Family(
    "optimizer",
    {
        "adam": "lthctl.training.optimizers:ADAM",
        "adamw": "lthctl.training.optimizers:ADAMW",
        "sgd": "lthctl.training.optimizers:SGD",
    },
    accept="lthctl.training.optimizers:as_optimizer",
    example="mypackage.optimizers:lion",
)

SCHEDULES: Family[Any] = Family(
    "schedule",
    {
        "constant": "lthctl.training.schedules:CONSTANT",
        "step": "lthctl.training.schedules:STEP",
        "cosine": "lthctl.training.schedules:COSINE",
        "linear": "lthctl.training.schedules:LINEAR",
    },
    accept="lthctl.training.schedules:as_schedule",
    example="mypackage.schedules:sawtooth",
)

ENGINES: Family[Any] = Family(
    "engine",
    {
        "sparse": "lthctl.training.engine_sparse:ENGINE",
        "torch": "lthctl.training.engine_torch:ENGINE",
    },
    accept="lthctl.training.engine:as_engine",
    example="mypackage.engines:jax",
    reserved=("auto",),
)
"""`auto` takes the first that can."""

EXECUTORS: Family[Any] = Family(
    "executor",
    {
        "threads": "lthctl.grid.executors.threads:ThreadExecutor",
        "processes": "lthctl.grid.executors.processes:ProcessExecutor",
    },
    accept="lthctl.grid.executors.base:as_executor",
    example="mypackage.cluster:Executor",
)

WORKPLACES: Family[Any] = Family(
    "workplace",
    {
        "local": "lthctl.cluster.local:LocalWorkplace",
        "slurm": "lthctl.cluster.slurm:SlurmWorkplace",
    },
    accept="lthctl.cluster.workplace:as_workplace",
    example="mypackage.cluster:Kubernetes",
)

TRACKERS: Family[Any] = Family(
    "tracker",
    {
        "mlflow": "lthctl.tracking.mlflow:MlflowTracker",
        "tensorboard": "lthctl.tracking.tensorboard:TensorBoardTracker",
        "wandb": "lthctl.tracking.wandb:WandbTracker",
    },
    accept="lthctl.tracking.base:as_tracker",
    example="mypackage.tracking:Tracker",
)

FAMILIES: tuple[Family[Any], ...] = (
    MODELS,
    DATASETS,
    SCORES,
    CONTROLS,
    OPTIMIZERS,
    SCHEDULES,
    ENGINES,
    EXECUTORS,
    WORKPLACES,
    TRACKERS,
)
"""All of them. A new built-in member is one entry above and one file."""
