"""Presets: what each sets, what goes over it, and that a name that is none is one sentence."""

import dataclasses

import pytest
import yaml
from test_config import METHODS, override_sentence, sentence

from playground_amp.config import Config, load_config, resolve, to_dict
from playground_amp.config.presets import PRESETS
from playground_amp.config.yaml_schema import read_yaml
from playground_amp.core.errors import InputError


def preset_of(path):
    return read_yaml(path)["amp"]


def as_given(value):
    return tuple(value) if isinstance(value, list) else value


@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_every_preset_sets_what_it_says_and_nothing_else(path):
    config, plain = load_config("ppo_amass_training", [f"amp.preset={path.stem}"]), Config()
    values = preset_of(path)
    assert config.amp.preset == path.stem
    assert {key: getattr(config.amp, key) for key in values} == {key: as_given(value) for key, value in values.items()}
    changed = dataclasses.replace(config.amp, preset="none", **{key: getattr(plain.amp, key) for key in values})
    assert dataclasses.replace(config, amp=changed) == plain
    resolve(config, accelerator=True)


def test_a_presets_first_lines_say_whose_method_it_is():
    for path in METHODS:
        assert path.read_text().startswith("# "), path.name


def test_a_files_own_keys_go_over_its_preset_and_overrides_over_both(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("amp: {window: 4, preset: peng2021}\nppo: {seed: 3}")
    config = load_config(str(path))
    peng = preset_of(PRESETS / "peng2021.yaml")
    assert peng["window"] == 2 and config.amp.window == 4
    assert config.amp.reward == "quadratic" and config.amp.batch_size == peng["batch_size"]
    assert config.ppo.seed == 3
    assert load_config(str(path), ["amp.window=7", "amp.batch_size=64"]).amp.window == 7
    assert load_config(str(path), ["amp.batch_size=64"]).amp.batch_size == 64


@pytest.mark.parametrize("first", [True, False])
def test_an_overriding_preset_goes_over_the_file_and_under_the_other_overrides(first, tmp_path):
    """In whatever order they are given."""
    path = tmp_path / "mine.yaml"
    path.write_text("amp: {window: 4, hidden: [32], discriminator_lr: 1.0e-3, condition: command}")
    overrides = ["amp.preset=peng2021", "amp.discriminator_lr=5e-5"]
    amp = load_config(str(path), overrides if first else overrides[::-1]).amp
    assert (amp.window, amp.hidden, amp.reward) == (2, (1024, 512), "quadratic")  # the preset's
    assert amp.discriminator_lr == 5e-5  # the override's
    assert amp.condition == "command"  # the file's, of which the preset says nothing


def test_the_last_overriding_preset_wins_and_replaces_the_files_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("amp: {preset: wgan-gp}")
    assert load_config(str(path)).amp.gp_weight == 10.0
    amp = load_config(str(path), ["amp.preset=review", "amp.preset=peng2021"]).amp
    assert (amp.preset, amp.gp_weight, amp.normalization, amp.window) == ("peng2021", 0.0, "none", 2)
    none = load_config(str(path), ["amp.preset=none"])
    assert none == Config()


@pytest.mark.parametrize("override", ["amp.preset=peng2021", "amp.preset =peng2021", " amp.preset=peng2021"])
def test_a_preset_is_never_named_without_its_values(override):
    """Spaces around a key are allowed in other overrides, too."""
    assert load_config("ppo_amass_training", [override]).amp.reward == "quadratic"


def test_a_runs_configuration_with_a_preset_reloads_and_can_change_its_preset(tmp_path):
    config = resolve(load_config("ppo_amass_training", ["amp.preset=isaacgym", "amp.window=3"]), accelerator=False)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(to_dict(config)))
    assert resolve(load_config(str(path)), accelerator=True) == config
    assert load_config(str(path)).amp.window == 3
    other = load_config(str(path), ["amp.preset=nonsaturating-r1"]).amp
    assert (other.reward, other.window, other.logit_decay) == ("softplus", 3, 0.05)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("peng", "amp.preset is 'peng'; did you mean 'peng2021'?"),
        ("zzz", f"amp.preset is 'zzz'; valid: {', '.join(sorted(['none', *(path.stem for path in METHODS)]))}"),
    ],
)
def test_an_unknown_preset_is_named_with_those_that_exist(value, expected, tmp_path):
    assert override_sentence(f"amp.preset={value}") == f"--set amp.preset={value}: {expected}"
    assert sentence(f"amp: {{preset: {value}}}", tmp_path) == f"FILE: {expected}"


@pytest.mark.parametrize("value", ["[1]", "{a: 1}", "3", "null", "''", "../ppo_amass_training"])
def test_a_preset_that_is_no_name_is_one_sentence(value, tmp_path):
    assert "amp.preset is" in override_sentence(f"amp.preset={value}")
    assert "amp.preset is" in sentence(f"amp: {{preset: {value}}}", tmp_path)


def test_a_preset_beside_other_mistakes_is_no_reason_to_hide_them(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("amp: {preset: peng2021, windw: 2}\nppo: 3")
    with pytest.raises(InputError) as caught:
        load_config(str(path))
    assert len(str(caught.value).splitlines()) == 2
    assert "amp.windw" in str(caught.value) and "section 'ppo' is 3" in str(caught.value)
    assert "section 'amp' is 3" in sentence("amp: 3", tmp_path, "amp.preset=review")
