"""The families, and their built-in members. A new member is one entry here, and one file."""

from typing import Any

from lthctl.families.family import Family

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
