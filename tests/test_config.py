"""The configuration: the shipped file says what the code says, and every mistake is one clear sentence."""

import ast
import dataclasses
import functools
from pathlib import Path

import pytest
import yaml

from playground_amp.config import (
    CONFIGS,
    ClipSource,
    CommandConfig,
    Config,
    asks_for_every_way,
    find_path,
    is_enabled,
    load_config,
    resolve,
    settings,
    to_dict,
    with_hyperparams,
)
from playground_amp.config.presets import PRESETS
from playground_amp.core.errors import InputError

ROOT = Path(__file__).parents[1]
DEFAULT = ROOT / CONFIGS / "ppo_amass_training.yaml"
YAMLS = sorted((ROOT / CONFIGS).glob("*.yaml"))
METHODS = sorted(PRESETS.glob("*.yaml"))
KEYS = [(section, key) for section, keys in to_dict(Config()).items() for key in keys]
NUMBERS = [(section, key) for section, key in KEYS if type(to_dict(Config())[section][key]) in (int, float)]


def sentence(text: str, tmp_path: Path, *overrides: str) -> str:
    """The one sentence that a configuration file with this text is refused with."""
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(str(path), overrides)
    message = str(caught.value).replace(str(path), "FILE")
    assert "\n" not in message
    return message


def override_sentence(override: str) -> str:
    with pytest.raises(InputError) as caught:
        load_config("ppo_amass_training", [override])
    assert "\n" not in str(caught.value) and "yaml" not in str(caught.value)
    return str(caught.value)


# What ships


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.name)
def test_every_yaml_loads_and_resolves(path):
    """Presets are parts of one: see below."""
    for accelerator in (False, True):
        resolved = resolve(load_config(str(path)), accelerator=accelerator)
        assert "auto" not in (resolved.env.num_envs, resolved.env.physics, resolved.ppo.batch_size)
        assert "auto" not in (resolved.amp.batch_size, resolved.amp.replay_size)


def test_the_shipped_yaml_writes_out_every_default():
    assert yaml.safe_load(DEFAULT.read_text()) == to_dict(Config())
    assert load_config(str(DEFAULT)) == Config()


def test_every_line_of_the_shipped_yaml_has_a_comment():
    lines = [line for line in DEFAULT.read_text().splitlines() if line.strip()]
    assert [line for line in lines if "# " not in line] == []
    assert len({line.index("#") for line in lines if not line.startswith("#")}) == 1, "comments are aligned"


def test_every_field_has_a_sentence_under_it():
    module = ast.parse(Path(settings.__file__).read_text())
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    narrower = ("Resolved", "Fitted")  # than the class above them, field by field
    for cls in (node for node in classes if node.name != "Config" and not node.name.startswith(narrower)):
        for field, below in zip(cls.body[1::2], cls.body[2::2], strict=True):
            assert isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr), f"{cls.name}: {ast.dump(field)}"
            assert ast.literal_eval(below.value).endswith(".")


LABELLED = "reference.clips=[a.npz, {path: 'b*.npz', label: run}, {path: c, label: stand}]"
WEIGHTED = "reference.clips=[{path: a, weight: 2}, {path: b, speed: 0}, {path: c, label: d, weight: 0.5, speed: 1}]"


@pytest.mark.parametrize(
    "overrides",
    [
        ["ppo.learning_rate=1e-5"],
        ["env.command.turn=[-1, 1]", "env.command.sideways=auto", "env.command.stand_share=0.1"],
        [LABELLED, "amp.condition=both"],
        [WEIGHTED, "reference.follow_command=true"],
        ["amp.feature_weights={foot_contacts: 0, joint_velocities: 0.5}"],
        ["amp.preset=peng2021", "amp.window=4"],
        *([f"amp.preset={path.stem}"] for path in METHODS),
    ],
)
@pytest.mark.parametrize("resolved", [True, False])
def test_to_dict_survives_yaml(overrides, resolved, tmp_path):
    config = load_config("ppo_amass_training", overrides)
    config = resolve(config, accelerator=False) if resolved else config
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(to_dict(config)))
    again = load_config(str(path))
    assert (resolve(again, accelerator=True) if resolved else again) == config


def test_to_dict_is_as_one_would_write_it():
    config = load_config("ppo_amass_training", [LABELLED, "amp.targets=[-1, 1, 1]", "amp.reward=quadratic"])
    written = to_dict(config)
    labelled = [{"path": "b*.npz", "label": "run"}, {"path": "c", "label": "stand"}]
    assert written["reference"]["clips"] == ["a.npz", *labelled]
    weighted = to_dict(load_config("ppo_amass_training", [WEIGHTED]))["reference"]["clips"]
    assert weighted[:2] == [{"path": "a", "weight": 2.0}, {"path": "b", "speed": 0.0}]
    assert written["amp"]["targets"] == [-1.0, 1.0, 1.0]
    assert written["amp"]["feature_weights"] == {}


# Settings a sweep changes


def test_numbers_are_put_into_a_copy_and_the_rest_stays():
    config = Config()
    other = with_hyperparams(config, {"amp.r1_gamma": 7.0, "ppo.clip": 0.3})
    assert (other.amp.r1_gamma, other.ppo.clip) == (7.0, 0.3)
    assert (config.amp.r1_gamma, config.ppo.clip) == (1.0, 0.2) and config == Config()
    assert other.env is config.env and other.amp.hidden == config.amp.hidden


def test_a_number_within_a_setting_is_put_into_a_copy_too():
    config = Config()
    other = with_hyperparams(config, {"env.command.turn": (-1.0, 1.0), "env.command.resample": 9, "env.max_tilt": 0.5})
    assert other.env.command == CommandConfig(turn=(-1.0, 1.0), resample=9) and other.env.max_tilt == 0.5
    assert config == Config() and other.env.robot == config.env.robot


def test_every_way_is_asked_for_unless_it_is_surely_not():
    assert not asks_for_every_way(CommandConfig()) and not asks_for_every_way(CommandConfig(forward=(-1.0, 1.0)))
    for asked in ({"turn": (0.0, 0.1)}, {"sideways": (-0.1, 0.0)}, {"sideways": "auto"}, {"stand_share": 0.1}):
        assert asks_for_every_way(CommandConfig(**asked))
    for name in ("sideways", "turn", "stand_share"):
        traced = with_hyperparams(Config(), {f"env.command.{name}": object()})  # an array that is not known yet
        assert asks_for_every_way(traced.env.command)


def test_a_key_within_a_setting_leaves_the_others(tmp_path):
    """Of the file, and of overrides before it; all their mistakes are told, those of the file as the file's."""
    path = tmp_path / "mine.yaml"
    path.write_text("env: {command: {sideways: [-0.2, 0.2], resample: 100}}")
    command = load_config(str(path), ["env.command.turn=[-1, 1]", "env.command.stand_share=0.1"]).env.command
    assert command == CommandConfig(sideways=(-0.2, 0.2), turn=(-1.0, 1.0), stand_share=0.1, resample=100)
    path.write_text("env: {command: {sideways: 3, resample: 100}, command_speed: [0, 1]}")
    with pytest.raises(InputError) as caught:
        load_config(str(path), ["env.command.turn=4", "env.robot.name=x"])
    assert sorted(str(caught.value).replace(str(path), "FILE").splitlines()) == [
        f"--set env.command.turn=4: env.command.turn is 4; expected {RANGE}",
        "--set env.robot.name=x: there is no key 'env.robot.name': env.robot has no keys of its own; expected text",
        f"FILE: env.command.sideways is 3; expected {RANGE}",
        "FILE: there is no key 'env.command_speed': it is called env.command.forward now",
    ]


def test_a_weight_of_one_group_leaves_the_others():
    overrides = ["amp.feature_weights={foot_contacts: 0, root_height: 2}", "amp.feature_weights.root_height=3"]
    found = load_config("ppo_amass_training", overrides).amp.feature_weights
    assert found == {"foot_contacts": 0.0, "root_height": 3.0}


def test_only_a_weight_that_is_surely_zero_is_left_out():
    assert is_enabled(0.5) and not is_enabled(0.0) and not is_enabled(0)
    assert is_enabled(object())  # an array that is not known yet


# Finding files


def test_a_configuration_is_found_by_name_and_path_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ppo_amass_training", "ppo_amass_training.yaml", "configs/ppo_amass_training.yaml", str(DEFAULT)):
        assert load_config(name) == Config()


def test_the_current_directory_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "ppo_amass_training.yaml").write_text("ppo: {seed: 7}")
    assert load_config("ppo_amass_training").ppo.seed == 7
    assert find_path("configs") == Path("configs")
    assert find_path("configs/*.yaml") == Path("configs/*.yaml")


def test_paths_fall_back_to_the_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_path("configs/*.yaml") == ROOT / "configs/*.yaml"
    assert find_path("pyproject.toml") == ROOT / "pyproject.toml"
    assert find_path("nowhere/*.npz") == Path("nowhere/*.npz")
    assert find_path(str(tmp_path)) == tmp_path


def test_a_missing_configuration_names_those_that_exist(tmp_path):
    with pytest.raises(
        InputError, match=r"no configuration 'ppo_amass.yaml'; did you mean 'ppo_amass_(training|gaits|best|omni|g1)"
    ):
        load_config("ppo_amass.yaml")
    with pytest.raises(InputError, match=r"is a folder; give the YAML file, valid: .*ppo_amass_training.yaml"):
        load_config(str(tmp_path))


# Values that are right


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("ppo.learning_rate=3e-4", 3e-4),
        ("ppo.value_cost=1", 1.0),
        ("ppo.iterations=1e6", 1_000_000),
        ("ppo.iterations=50_000", 50_000),
        ("ppo.iterations=010", 10),
        ("amp.batch_size=auto", "auto"),
        ("env.command.forward=[0.5, 0.5]", (0.5, 0.5)),
        ("env.command.turn=[-1,1]", (-1.0, 1.0)),
        ("env.command.sideways=auto", "auto"),
        ("env.command.resample=1e2", 100),
        ("env.command={turn: [0, 1]}", CommandConfig(turn=(0.0, 1.0))),
        ("networks.actor=[64]", (64,)),
        ("reference.clips=clips/a.npz", (ClipSource("clips/a.npz"),)),
        ("reference.clips=[a.npz, 'b*.npz']", (ClipSource("a.npz"), ClipSource("b*.npz"))),
        ("reference.clips={path: a, label: run}", (ClipSource("a", "run"),)),
        ("reference.clips=[a, {path: b, label: run}]", (ClipSource("a"), ClipSource("b", "run"))),
        ("reference.clips={path: a, weight: 2, speed: -0.5}", (ClipSource("a", "", 2.0, -0.5),)),
        ("reference.clips=[{path: a, speed: ~}, {path: b, weight: 1}]", (ClipSource("a"), ClipSource("b"))),
        ("amp.targets=[0, 2, 1]", (0.0, 2.0, 1.0)),
        ("amp.feature_weights={foot_contacts: 0, root_height: 2.5}", {"foot_contacts": 0.0, "root_height": 2.5}),
        ("amp.feature_weights={}", {}),
        ("reference.mirror=false", False),
        ("logging.wandb=off", "off"),
        ("logging.run_name=2026-11-21", "2026-11-21"),
        ("logging.run_name='7'", "7"),
    ],
)
def test_an_override_is_read_as_written(override, value):
    path = override.partition("=")[0].split(".")
    got = functools.reduce(getattr, path, load_config("ppo_amass_training", [override]))
    assert got == value and type(got) is type(value)


def test_the_last_override_wins():
    assert load_config("ppo_amass_training", ["ppo.seed=1", "ppo.seed=2"]).ppo.seed == 2


def test_an_empty_file_or_section_means_the_defaults(tmp_path):
    path = tmp_path / "empty.yaml"
    for text in ("", "ppo:\n", "# nothing\n"):
        path.write_text(text)
        assert load_config(str(path)) == Config()


# Values that are wrong

ENTRY = "text or {path: ..., label: ..., weight: ..., speed: ...}"
CLIPS = f"a list of at least one, each {ENTRY}"
RANGE = "[lowest, highest] in this order, each a number, or auto"
COMMAND = "{forward: ..., sideways: ..., turn: ..., stand_share: ..., clip_share: ..., resample: ..., retry_share: ...}"
WEIGHTS = (
    "{NAME: value, ...}, each name joint_positions, joint_velocities, root_direction, root_angular_velocity, "
    "root_height or foot_contacts, each value a number at least 0"
)


@pytest.mark.parametrize(("section", "key"), NUMBERS)
@pytest.mark.parametrize("value", ["'0.1'", "true", ".nan", ".inf", "", "[1]", "{a: 1}", "1.0.0"])
def test_a_number_must_be_a_number(section, key, value):
    assert override_sentence(f"{section}.{key}={value}").startswith(
        f"--set {section}.{key}={value}: {section}.{key} is"
    )


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("amp.batch_size=-1", "is -1; expected a whole number above 0 or auto"),
        ("amp.batch_size=1.5", "is 1.5; expected a whole number above 0 or auto"),
        ("amp.batch_size=all", "is 'all'; expected a whole number above 0 or auto"),
        ("ppo.seed=-1", "is -1; expected a whole number at least 0 and at most 4294967295"),
        ("ppo.gamma=1", "is 1; expected a number above 0 and below 1"),
        ("env.physics=mujoco", "is 'mujoco'; expected auto, native, mjx or mjx-warp"),
        (
            "env.command.forward=[0.7, 0.4]",
            "is [0.7, 0.4]; expected [lowest, highest] in this order, each a number, or auto",
        ),
        ("env.command.forward=[0.4]", "is [0.4]; expected [lowest, highest] in this order, each a number, or auto"),
        (
            "env.command.forward=[0.1, 0.2, 0.3]",
            "is [0.1, 0.2, 0.3]; expected [lowest, highest] in this order, each a number, or auto",
        ),
        ("env.command.forward=0.5", "is 0.5; expected [lowest, highest] in this order, each a number, or auto"),
        (
            "ppo.learning_rate_range=[-1, 1]",
            "is [-1, 1]; expected [lowest, highest] in this order, each a number above 0",
        ),
        ("env.command.turn=1", "is 1; expected [lowest, highest] in this order, each a number, or auto"),
        (
            "env.command.sideways=[0.1, -0.1]",
            "is [0.1, -0.1]; expected [lowest, highest] in this order, each a number, or auto",
        ),
        ("env.command.stand_share=1.5", "is 1.5; expected a number at least 0 and at most 1"),
        ("env.command.clip_share=most", "is 'most'; expected a number at least 0 and at most 1 or auto"),
        ("env.command.resample=0", "is 0; expected a whole number above 0"),
        ("env.command=[0.4, 0.8]", f"is [0.4, 0.8]; expected {COMMAND}"),
        ("env.command=", f"is empty; expected {COMMAND}"),
        ("networks.actor=[]", "is []; expected a list of at least one, each a whole number above 0"),
        ("networks.actor=[64, true]", "is [64, True]; expected a list of at least one, each a whole number above 0"),
        ("reference.clips=[]", f"is []; expected {CLIPS}"),
        ("reference.clips=3", f"is 3; expected {CLIPS}"),
        ("reference.clips=[3]", f"is [3]; expected {CLIPS}"),
        ("reference.clips=[[a]]", f"is [['a']]; expected {CLIPS}"),
        ("amp.targets=[0, 1]", "is [0, 1]; expected a list of 3, each a number"),
        ("amp.feature_weights=3", f"is 3; expected {WEIGHTS}"),
        ("amp.feature_weights={feet: 0}", f"is {{'feet': 0}}; expected {WEIGHTS}"),
        ("amp.feature_weights={foot_contacts: -1}", f"is {{'foot_contacts': -1}}; expected {WEIGHTS}"),
        ("amp.window=17", "is 17; expected a whole number at least 1 and at most 16"),
        ("amp.replay_share=1", "is 1; expected a number at least 0 and below 1"),
        ("reference.mirror=yes", "is 'yes'; expected true or false"),
        ("env.robot=3", "is 3; expected text"),
        ("amp.loss=hing", "is 'hing'; expected lsgan, vanilla, hinge or wasserstein"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_valid(override, expected):
    key = override.partition("=")[0]
    assert override_sentence(override) == f"--set {override}: {key} {expected}"


@pytest.mark.parametrize(
    ("clips", "expected"),
    [
        ("{path: x, wieght: 2}", "entry 1: there is no key 'wieght'; did you mean 'weight'?"),
        ("[a, {path: x, lable: b}]", "entry 2: there is no key 'lable'; did you mean 'label'?"),
        ("[{path: x, colour: b}]", "entry 1: there is no key 'colour'; valid: label, path, speed, weight"),
        ("[{label: b}]", f"entry 1: it has no path; expected {ENTRY}"),
        ("[{path: 3}]", "entry 1: path is 3; expected text"),
        ("[{path: x, label: 3}]", "entry 1: label is 3; expected text"),
        ("[a, b, {path: x, weight: 0}]", "entry 3: weight is 0; expected a number above 0"),
        ("[{path: x, weight: -1}]", "entry 1: weight is -1; expected a number above 0"),
        ("[{path: x, weight: .nan}]", "entry 1: weight is nan; expected a number above 0"),
        ("[{path: x, weight: .inf}]", "entry 1: weight is inf; expected a number above 0"),
        ("[{path: x, weight: '2'}]", "entry 1: weight is '2'; expected a number above 0"),
        ("[{path: x, weight: }]", "entry 1: weight is empty; expected a number above 0"),
        ("[{path: x, speed: fast}]", "entry 1: speed is 'fast'; expected a number at least -20 and at most 20"),
        ("[{path: x, speed: true}]", "entry 1: speed is true; expected a number at least -20 and at most 20"),
        ("[{path: x, speed: 90}]", "entry 1: speed is 90; expected a number at least -20 and at most 20"),
    ],
)
def test_a_wrong_entry_of_the_clips_is_named_by_its_number_and_key(clips, expected):
    assert (
        override_sentence(f"reference.clips={clips}") == f"--set reference.clips={clips}: reference.clips, {expected}"
    )


def test_every_mistake_of_an_entry_is_told_and_the_file_is_named(tmp_path):
    text = "reference:\n  clips:\n    - a\n    - {path: b, weight: 0, speed: fast}"
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(str(path))
    assert str(caught.value).splitlines() == [
        f"{path}: reference.clips, entry 2: weight is 0; expected a number above 0",
        f"{path}: reference.clips, entry 2: speed is 'fast'; expected a number at least -20 and at most 20",
    ]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("amp.discriminator_lrr=1", "there is no key 'amp.discriminator_lrr'; did you mean 'discriminator_lr'?"),
        ("env.command.forwrd=[0, 1]", "there is no key 'env.command.forwrd'; did you mean 'forward'?"),
        ("env.command={forwrd: 1}", "there is no key 'env.command.forwrd'; did you mean 'forward'?"),
        (
            "env.command.forward.low=0",
            "there is no key 'env.command.forward.low': env.command.forward has no keys of its own",
        ),
        (
            "env.robot.name=x",
            "there is no key 'env.robot.name': env.robot has no keys of its own; expected text",
        ),
        (
            "reference.clips.path=a.npz",
            f"there is no key 'reference.clips.path': reference.clips has no keys of its own; expected {CLIPS}",
        ),
        ("amp.gamma.x=1", "there is no key 'amp.gamma'; did you mean 'ppo.gamma'?"),
        ("env.command_speed=[0.4, 0.8]", "there is no key 'env.command_speed': it is called env.command.forward now"),
        ("env.command_interval=9", "there is no key 'env.command_interval': it is called env.command.resample now"),
        ("ppo.num_envs=1", "there is no key 'ppo.num_envs'; did you mean 'env.num_envs'?"),
        ("env.batch_size=1", "there is no key 'env.batch_size'; did you mean 'ppo.batch_size' or 'amp.batch_size'?"),
        ("apm.window=1", "there is no section 'apm'; did you mean 'amp'?"),
        ("num_envs=1", "expected section.key=value, for example amp.discriminator_lr=5e-5"),
        ("env.num_envs", "expected section.key=value, for example amp.discriminator_lr=5e-5"),
        ("env.num_envs=[", "'[' is not a YAML value"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(override, expected):
    assert override_sentence(override) == f"--set {override}: {expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("amp:\n  batch_size: -1", "FILE: amp.batch_size is -1; expected a whole number above 0 or auto"),
        ("amp:\n  windw: 2", "FILE: there is no key 'amp.windw'; did you mean 'window'?"),
        ("num_envs: 2", "FILE: there is no section 'num_envs'; did you mean 'env.num_envs'?"),
        ("env: 3", "FILE: section 'env' is 3; expected 'key: value' lines"),
        ("env: [1]", "FILE: section 'env' is [1]; expected 'key: value' lines"),
        ("- 1", "FILE: expected sections, each with 'key: value' lines"),
        ("just words", "FILE: expected sections, each with 'key: value' lines"),
        ("ppo:\n  seed: 1\n  clip: 0.1\n  seed: 2", "FILE, line 4: the key 'seed' appears twice"),
        ("ppo: {}\nppo: {}", "FILE, line 2: the key 'ppo' appears twice"),
        ("ppo:\n\tseed: 1", r"FILE, line 2: not valid YAML (found character '\t' that cannot start any token)"),
        ("ppo: {? [1, 2] : 3}", "FILE, line 1: not valid YAML (found unhashable key)"),
        ("ppo: \x00", "FILE: not valid YAML (not plain text)"),
    ],
)
def test_a_broken_file_is_named_with_its_line(text, expected, tmp_path):
    assert sentence(text, tmp_path) == expected


def test_a_mistake_in_the_file_is_not_blamed_on_an_override(tmp_path):
    assert sentence("ppo: {seed: -1}", tmp_path, "ppo.clip=0.3").startswith("FILE: ppo.seed is -1;")
    assert sentence("env: 3", tmp_path, "env.robot=x").startswith("FILE: section 'env' is 3;")


def test_all_mistakes_are_told_at_once(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("ppo: {seed: -1, clipp: 0.2}\namp: {window: 0}")
    with pytest.raises(InputError) as caught:
        load_config(str(path), ["env.num_envs=0"])
    lines = str(caught.value).splitlines()
    assert len(lines) == 4 and sum("--set env.num_envs=0: " in line for line in lines) == 1


def test_binary_files_and_unreadable_paths_are_refused(tmp_path):
    path = tmp_path / "image.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="not plain text"):
        load_config(str(path))
    with pytest.raises(InputError, match="there is no configuration"):
        load_config("x" * 5000)


# What `auto` stands for


def test_resolve_keeps_what_was_set_and_fills_the_rest():
    config = load_config("ppo_amass_training", ["env.num_envs=64", "amp.replay_size=1000"])
    laptop, accelerator = (resolve(config, accelerator=where) for where in (False, True))
    assert (laptop.env.num_envs, laptop.env.physics, laptop.ppo.batch_size) == (64, "native", 64 * 32 // 4)
    assert accelerator.env.num_envs == 64 and accelerator.env.physics.startswith("mjx")
    assert laptop.amp.replay_size == accelerator.amp.replay_size == 1000
    assert resolve(laptop, accelerator=True) == laptop


def test_a_batch_size_that_does_not_divide_the_rollout_is_refused():
    config = load_config("ppo_amass_training", ["ppo.batch_size=1000", "env.num_envs=256"])
    message = r"ppo.batch_size is 1000, but it must divide the 8192 samples .*256 x ppo.rollout_length 32"
    with pytest.raises(InputError, match=message):
        resolve(config, accelerator=False)


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().ppo.seed = 1  # ty: ignore
