"""params.yaml: defaults, lists, and errors that name file, line and column."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from lthctl.errors import ParamsError
from lthctl.params import SECTIONS, Params, TrainSection
from lthctl.params_file import load_params


@pytest.fixture
def params_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path that messages show as it is written here: params.yaml."""
    monkeypatch.chdir(tmp_path)
    return Path("params.yaml")


def refusal_of(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ParamsError) as refusal:
        load_params(path)
    assert refusal.value.exit_code == 2
    return str(refusal.value)


def loaded(path: Path, text: str) -> Params:
    path.write_text(text, encoding="utf-8")
    return load_params(path)


def test_defaults() -> None:
    assert Params().model_dump() == {
        "data": {"name": "mnist", "holdout": 0, "normalize": None, "augment": None},
        "model": {
            "name": "mlp",
            "output": None,
            "layers": (784, 300, 100, 10),
            "kwargs": {},
            "init": "uniform",
        },
        "train": {
            "epochs": None,
            "steps": 15_000,
            "evaluate_every": 250,
            "batch_size": 60,
            "optimizer": "adam",
            "lr": 1.2e-3,
            "schedule": "constant",
            "warmup": 0,
            "lr_drops": (),
            "momentum": 0.0,
            "nesterov": False,
            "weight_decay": 0.0,
            "label_smoothing": 0.0,
            "precision": "float32",
            "engine": "auto",
            "device": "auto",
            "threads": 1,
        },
        "prune": {
            "method": ("l1",),
            "ratio": (0.8,),
            "rounds": (1,),
            "seed": (1,),
            "biases": True,
            "rate": None,
            "every_round": False,
            "layer_ratio": None,
            "exclude": (),
            "output_factor": 0.5,
            "scope": "layer",
            "rewind_step": (0,),
        },
        "retrain": {
            "keep_weights": True,
            "control": (),
            "order_seed": None,
            "draws": 1,
            "methods": {},
            "tickets": {},
        },
        "report": {
            "margin": 0.002,
            "confidence": 0.95,
            "select": "max-accuracy",
            "targets": (0.97, 0.98),
            "primary": (),
            "looks": (),
        },
    }
    assert tuple(Params.model_fields) == tuple(SECTIONS)


def test_every_parameter_is_described() -> None:
    for section in Params.model_fields.values():
        assert all(field.description for field in section.annotation.model_fields.values())


@pytest.mark.parametrize("text", ["", "\n", "# nothing but a comment\n", "{}", "null"])
def test_empty_file_is_all_defaults(params_yaml: Path, text: str) -> None:
    assert loaded(params_yaml, text) == Params()


def test_what_is_left_out_is_default(params_yaml: Path) -> None:
    params = loaded(params_yaml, "train:\n  steps: 7\n")
    assert params.train.steps == 7
    assert params.train.lr == 1.2e-3
    assert params.prune == Params().prune


def test_one_value_stands_for_a_list_of_one(params_yaml: Path) -> None:
    params = loaded(params_yaml, "prune:\n  method: random\n  ratio: 0\n  rounds: 5\n  seed: 3\n")
    assert params == loaded(
        params_yaml, "prune:\n  method: [random]\n  ratio: [0.0]\n  rounds: [5]\n  seed: [3]\n"
    )
    assert params.prune.identity() == {
        "method": ["random"],
        "ratio": [0.0],
        "rounds": [5],
        "seed": [3],
        "biases": True,
    }


def test_lists_keep_their_order(params_yaml: Path) -> None:
    assert loaded(params_yaml, "prune:\n  ratio: [0.9, 0, 0.5]\n  seed: [2, 1]\n").prune.ratio == (
        0.9,
        0.0,
        0.5,
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [("1e-3", 1e-3), ("1.2e-3", 1.2e-3), ("1E3", 1000.0), ("2", 2.0), (".5", 0.5)],
)
def test_numbers_are_those_of_yaml_1_2(params_yaml: Path, written: str, value: float) -> None:
    lr = loaded(params_yaml, f"train: {{lr: {written}}}").train.lr
    assert isinstance(lr, float)
    assert lr == value


def test_no_is_a_word_and_010_is_ten(params_yaml: Path) -> None:
    assert loaded(params_yaml, "train: {device: no}").train.device == "no"
    assert loaded(params_yaml, "train: {steps: 010}").train.steps == 10


def test_every_error_at_once_with_its_place(params_yaml: Path) -> None:
    assert refusal_of(
        params_yaml,
        """\
data:
  holdout: -1
modell:
  layers: [784, 10]
model:
  layers: [784]
  init: zeros
train:
  stepps: 100
  lr: fast
  steps: 1.5
  threads: true
  momentum: 1
prune:
  method: l2
  ratio: [0.5, 1, -0.1]
  seed:
    - 1
    - -3
    - "2"
  rounds: []
report: 3
""",
    ) == (
        "params.yaml:2:3: data.holdout: is -1, expected greater than or equal to 0\n"
        "params.yaml:3:1: modell: is not a parameter; did you mean 'model'? "
        "known here: data, model, train, prune, retrain, report\n"
        "params.yaml:6:3: model.layers: has 1 values, expected at least 2\n"
        "params.yaml:7:3: model.init: is 'zeros', expected 'uniform', 'glorot', "
        "'glorot-uniform', 'kaiming-normal', 'kaiming-uniform' or 'orthogonal'\n"
        "params.yaml:9:3: train.stepps: is not a parameter; did you mean 'steps'? "
        "known here: steps, batch_size, optimizer, lr, schedule, warmup, lr_drops, momentum, nesterov, weight_decay, label_smoothing, precision, engine, device, threads, evaluate_every, epochs\n"
        "params.yaml:10:3: train.lr: is 'fast', expected a valid number\n"
        "params.yaml:11:3: train.steps: is 1.5, expected a valid integer\n"
        "params.yaml:12:3: train.threads: is True, expected a valid integer\n"
        "params.yaml:13:3: train.momentum: is 1, expected less than 1\n"
        "params.yaml:15:3: prune.method.0: is 'l2', expected 'dense', 'l1', 'random', 'magnitude-init', 'magnitude-increase', 'snip', 'grasp', 'synflow' or 'erk', or your own as module:name, such as mypackage.scores:taylor\n"
        "params.yaml:16:16: prune.ratio.1: is 1, expected in [0, 1): the fraction of weights to prune\n"
        "params.yaml:16:19: prune.ratio.2: is -0.1, expected in [0, 1): the fraction of weights to prune\n"
        "params.yaml:19:7: prune.seed.1: is -3, expected greater than or equal to 0\n"
        "params.yaml:20:7: prune.seed.2: is '2', expected a seed such as 7, or a range such as 1-20\n"
        "params.yaml:21:3: prune.rounds: has 0 values, expected at least 1\n"
        "params.yaml:22:1: report: is 3, expected keys with values; known here: margin, confidence, select, targets, primary, looks"
    )


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("prune.rate", "a", "is 'a', expected a rate in (0, 1), such as 0.2, or rates in [0, 1) by "
         "the names of layers, such as {conv*: 0.1, fc*: 0.2}"),
        ("train.lr", None, "is empty, expected a valid number"),
        ("prune.rate", 1.5, "is 1.5, expected a rate in (0, 1)"),
        ("prune.exclude", "a b", "is 'a b', expected the name of a layer, such as conv1 or conv*"),
        ("model.layers", "784,10", "is '784,10', expected sizes of layers, such as [784, 300"),
        ("model.kwargs", 5, "is 5, expected keys with values"),
        ("train.lr_drops", [[5]], "is [[5]], expected steps and what lr is multiplied with"),
        ("data.augment", {"crop": -1}, "crop is -1, expected greater than or equal to 0"),
        ("data.augment", {"crops": 1}, "crops is not a parameter; did you mean 'crop'?"),
    ],
)  # fmt: skip
def test_a_value_of_another_form_is_told_once(path: str, value: object, said: str) -> None:
    """In words of YAML, under what was typed."""
    with pytest.raises(ParamsError) as refusal:
        Params().override({path: value}, typed={path: f"--set {path}"})
    assert str(refusal.value).startswith(f"--set {path}: {said}")
    assert "\n" not in str(refusal.value)


def test_unknown_key_that_resembles_nothing(params_yaml: Path) -> None:
    assert refusal_of(params_yaml, "retrain:\n  xyz: 1\n") == (
        "params.yaml:2:3: retrain.xyz: is not a parameter; known here: keep_weights, "
        "control, order_seed, draws, methods, tickets"
    )


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("train", "lr", "0"),
        ("train", "lr", "-0.1"),
        ("train", "lr", ".inf"),
        ("train", "lr", ".nan"),
        ("train", "momentum", ".nan"),
        ("train", "momentum", "-0.1"),
        ("train", "weight_decay", "-1"),
        ("train", "weight_decay", ".inf"),
        ("train", "schedule", "cosin"),
        ("train", "warmup", "-1"),
        ("train", "warmup", "0.5"),
        ("train", "lr_drops", "{0: 0.1}"),
        ("train", "lr_drops", "{20: -0.1}"),
        ("train", "lr_drops", "{20: .inf}"),
        ("train", "lr_drops", "{late: 0.1}"),
        ("train", "lr_drops", "{20: 0.1, late: 0.1}"),
        ("train", "lr_drops", "[[20, 0.1], [20, 0.2]]"),
        ("train", "lr_drops", "[20, 0.1]"),
        ("train", "steps", "0"),
        ("train", "evaluate_every", "0"),
        ("train", "batch_size", "0"),
        ("train", "optimizer", "adamx"),
        ("train", "nesterov", "1"),
        ("train", "label_smoothing", "1"),
        ("train", "label_smoothing", "-0.1"),
        ("train", "precision", "float16"),
        ("train", "device", "0"),
        ("train", "threads", "0"),
        ("prune", "ratio", ".nan"),
        ("prune", "ratio", "true"),
        ("prune", "ratio", "1.0"),
        ("prune", "rounds", "0"),
        ("prune", "seed", "9223372036854775808"),
        ("prune", "biases", "1"),
        ("model", "layers", "[784, 0, 10]"),
        ("retrain", "keep_weights", "yes"),
        ("retrain", "control", ["rewound"]),
        ("retrain", "methods", {"reinit": ["l2"]}),
        ("retrain", "methods", {"reset": ["l1"]}),
        ("retrain", "tickets", {"reset": ["l1-n5"]}),
        ("retrain", "tickets", {"reinit": ["l1-r0.80-n5-s1"]}),
        ("retrain", "tickets", {"reinit": ["masks/l1"]}),
        ("report", "margin", "0"),
        ("report", "margin", "1"),
        ("report", "confidence", "0.5"),
        ("report", "confidence", ".nan"),
        ("report", "confidence", "1"),
        ("report", "targets", "[]"),
        ("report", "targets", "[0.97, 0]"),
        ("report", "targets", "1.01"),
        ("report", "targets", "[.nan]"),
        ("report", "targets", "98 %"),
        ("report", "margin", "-0.001"),
        ("report", "primary", "l1"),
        ("report", "looks", "1"),
        ("report", "looks", "[10, 5]"),
        ("report", "looks", "[5, 5]"),
        ("report", "primary", "[l1-n0]"),
        ("report", "primary", "[l1-n5, 3]"),
    ],
)
def test_values_out_of_range(params_yaml: Path, section: str, key: str, value: str) -> None:
    message = refusal_of(params_yaml, f"{section}:\n  {key}: {value}\n")
    assert message.startswith("params.yaml:2:")
    assert f" {section}.{key}" in message


@pytest.mark.parametrize(
    "text", ["{20: 0.1, 5: 0.5}", "{'20': 0.1, '5': 0.5}", "[[5, 0.5], [20, 0.1]]"]
)
def test_drops_are_a_mapping_or_pairs(params_yaml: Path, text: str) -> None:
    train = loaded(params_yaml, f"train: {{schedule: step, lr_drops: {text}}}").train
    assert train.lr_drops == ((5, 0.5), (20, 0.1))
    assert TrainSection.model_validate(train.identity()) == train


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("train", "momentum", "0"),
        ("train", "weight_decay", "0"),
        ("prune", "seed", "0"),
        ("prune", "seed", "9223372036854775807"),
        ("prune", "ratio", "0.999999"),
        ("model", "layers", "[1, 1]"),
        ("data", "holdout", "0"),
    ],
)
def test_values_at_the_ends_of_ranges(
    params_yaml: Path, section: str, key: str, value: str
) -> None:
    loaded(params_yaml, f"{section}: {{{key}: {value}}}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "params.yaml:1:6: is not valid YAML (expected ',' or ']', but got '<stream end>'); mend that line"),
        ("train:\n\tsteps: 1\n", "params.yaml:2:1: is not valid YAML (found character '\\t' that cannot start any "
                                 "token); mend that line"),
        ("a: b\n---\nc: d\n", "params.yaml:2:1: is not valid YAML (but found another document); mend that line"),
        ("- 1\n", "params.yaml:1:1: the file: is [1], expected keys with values; known here: data, model, train, prune, retrain, report"),
        ("just text", "params.yaml:1:1: the file: is 'just text', expected keys with values; known here: data, model, train, prune, retrain, report"),
        (b"train: \xff\n", "params.yaml: is not UTF-8 text; save it as such"),
    ],
)  # fmt: skip
def test_file_that_is_no_mapping_or_no_yaml(
    params_yaml: Path, text: str | bytes, said: str
) -> None:
    assert refusal_of(params_yaml, text) == said


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("train: {steps: 1, steps: 2}", "params.yaml:1:19: "),
        ("train: !!python/object/apply:os.system [ls]", "params.yaml:1:8: "),
        ("a: \x00", "params.yaml: is not valid YAML"),
        ("a: &a [*a]", "params.yaml: has aliases that stand for more than 40000 values"),
        ("3: 4", "params.yaml:1:1: 3: is 3, expected "),
    ],
)
def test_yaml_that_is_refused(params_yaml: Path, text: str, place: str) -> None:
    assert refusal_of(params_yaml, text).startswith(place)


def test_key_that_is_a_list(params_yaml: Path) -> None:
    assert refusal_of(params_yaml, "? [a, b]\n: 1\n").startswith("params.yaml:1:")


def test_file_that_cannot_be_read(params_yaml: Path) -> None:
    with pytest.raises(ParamsError) as refusal:
        load_params(params_yaml)
    assert str(refusal.value) == (
        "params.yaml: cannot be read (No such file or directory); name another file with --params"
    )
    params_yaml.mkdir()
    with pytest.raises(ParamsError) as refusal:
        load_params(params_yaml)
    assert (
        str(refusal.value)
        == "params.yaml: cannot be read (Is a directory); name another file with --params"
    )


def test_override() -> None:
    params = Params()
    changed = params.override(
        {"prune.ratio": [0.5, 0.9], "prune.seed": 2, "train.steps": 10, "data.holdout": 5}
    )
    assert (changed.prune.ratio, changed.prune.seed, changed.train.steps) == ((0.5, 0.9), (2,), 10)
    assert changed.data.holdout == 5
    assert changed.report == params.report
    assert params == Params()
    assert params.override({}) == params


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"prune.every_round": True}, "--every-round: is True, expected with a rate, such as 0.2"),
        (
            {"prune.rate": 0.2, "prune.layer_ratio": [0.5]},
            "--layer-ratio: is [0.5], expected none, as there is a rate",
        ),
    ],
)
def test_sizes_that_do_not_go_together(flags: dict[str, object], said: str) -> None:
    with pytest.raises(ParamsError) as refusal:
        Params().override(flags)
    assert said in str(refusal.value)


def test_refused_overrides_are_named_as_flags() -> None:
    with pytest.raises(ParamsError) as refusal:
        Params().override(
            {"prune.ratio": [0.5, 1.5], "train.steps": 0, "prune.method": ["l2"], "prune.speed": 1}
        )
    assert str(refusal.value).splitlines() == [
        "--steps: is 0, expected greater than or equal to 1",
        "--method: is 'l2', expected 'dense', 'l1', 'random', 'magnitude-init', 'magnitude-increase', 'snip', 'grasp', 'synflow' or 'erk', or your own as module:name, such as mypackage.scores:taylor",
        "--ratio: is 1.5, expected in [0, 1): the fraction of weights to prune",
        "--speed: is not a parameter; did you mean 'seed'? known here: method, ratio, rounds, seed, biases, "
        "rate, every_round, layer_ratio, exclude, output_factor, scope, rewind_step",
    ]


def test_parameters_are_frozen() -> None:
    params = Params()
    with pytest.raises(ValidationError, match="frozen"):
        params.train.steps = 1
    with pytest.raises(ValidationError, match="frozen"):
        params.train = params.train
    assert isinstance(params.prune.seed, tuple)


def test_the_projects_own_file_is_read() -> None:
    params = load_params(Path(__file__).parents[1] / "params.yaml")
    assert set(params.prune.method) == {"l1", "random"}
    assert 0.0 in params.prune.ratio


# ---- hostile files ----


def bomb(line: str) -> str:
    """Ten levels of nine aliases each of the level below."""
    levels = [
        line.format(f"a{number}", ", ".join([f"*a{number - 1}"] * 9)) for number in range(1, 11)
    ]
    return "a0: &a0 {k: 1}\n" + "\n".join(levels)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb("{0}: &{0} [{1}]"), "params.yaml: has aliases that stand for more than 40000 values; write it out"),
        (bomb("{0}: &{0} {{<<: [{1}]}}"), "params.yaml: has aliases that stand for more than 40000 values; write it out"),
        ("prune: {seed: &a [*a]}", "params.yaml: has aliases that stand for more than 40000 values; write it out"),
        ("a: " + "[" * 101, "params.yaml: opens more than 100 brackets inside each other, expected two; write it out"),
        ("a: " + "{a: [" * 51, "params.yaml: opens more than 100 brackets inside each other, expected two; write it out"),
        ("#" * 16385, "params.yaml: is longer than 16384 bytes, expected about 1000; name another file with --params"),
        ("- " * 5000, "params.yaml: is not valid YAML ('maximum recursion depth exceeded"),
        ("train: {steps: " + "9" * 5000 + "}", "params.yaml: is not valid YAML ('Exceeds the limit (4300 digits)"),
        ("train: {steps: 9223372036854775808}", "params.yaml:1:9: train.steps: is 9223372036854775808, expected less than 9223372036854775808"),
        ("%YAML 9.9\n---\na: 1", "params.yaml:1:1: is not valid YAML (found incompatible YAML document"),
        ("!!timestamp x", "params.yaml:1:1: is not valid YAML (failed to construct timestamp"),
    ],
)  # fmt: skip
def test_yaml_that_would_take_for_ever(params_yaml: Path, text: str, said: str) -> None:
    assert refusal_of(params_yaml, text).startswith(said)


def test_aliases_may_be_used(params_yaml: Path) -> None:
    assert loaded(params_yaml, "prune:\n  rounds: &few [1, 5]\n  seed: *few\n").prune.seed == (1, 5)


def test_many_faults_are_told_in_part(params_yaml: Path) -> None:
    said = refusal_of(params_yaml, "prune: {seed: [" + "x, " * 300 + "]}").splitlines()
    assert (len(said), said[-1]) == (51, "and 250 more")


def test_long_values_are_cut(params_yaml: Path) -> None:
    assert len(refusal_of(params_yaml, f"model: {{init: {'x' * 10_000}}}")) < 300


@pytest.mark.parametrize("target", ["pipe", "/dev/zero"])
def test_a_pipe_or_device_is_refused(params_yaml: Path, target: str) -> None:
    if target == "pipe":
        os.mkfifo(params_yaml)
    else:
        params_yaml.symlink_to(target)
    with pytest.raises(ParamsError) as refusal:
        load_params(params_yaml)
    assert (
        str(refusal.value)
        == "params.yaml: is a pipe or a device, expected a file; name another with --params"
    )


def test_a_range_of_seeds(params_yaml: Path) -> None:
    assert loaded(params_yaml, "prune:\n  seed: 1-20\n").prune.seed == tuple(range(1, 21))
    assert loaded(params_yaml, "prune: {seed: [1-3, 9, 7 - 7]}").prune.seed == (1, 2, 3, 9, 7)
    assert Params().override({"prune.seed": ["2-4", 8]}).prune.seed == (2, 3, 4, 8)


def test_a_range_that_runs_backwards_is_refused_at_its_place(params_yaml: Path) -> None:
    assert refusal_of(params_yaml, "prune:\n  seed: 5-1\n") == (
        "params.yaml:2:3: prune.seed.0: is '5-1', a range that runs backwards; write 1-5"
    )
    said = refusal_of(
        params_yaml, "prune:\n  seed:\n    - 1-3\n    - 9-8\n    - 1-x\n    - 0-10000\n"
    )
    assert said.splitlines() == [
        "params.yaml:4:7: prune.seed.1: is '9-8', a range that runs backwards; write 8-9",
        "params.yaml:5:7: prune.seed.2: is '1-x', expected a seed such as 7, or a range such as 1-20",
        "params.yaml:6:7: prune.seed.3: is '0-10000', a range of more than 10,000 seeds; give a shorter one",
    ]
    with pytest.raises(ParamsError) as refusal:
        Params().override({"prune.seed": ["5-1"]})
    assert str(refusal.value) == "--seed: is '5-1', a range that runs backwards; write 1-5"
