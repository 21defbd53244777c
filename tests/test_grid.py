"""The grid of a sweep: what may differ between its members, and what a list of values says."""

from __future__ import annotations

import pytest

from playground_amp.config import load_config, resolve, to_dict
from playground_amp.core.errors import InputError
from playground_amp.training import sweep_grid

CONFIG = "ppo_amass_training.yaml"
SMALL = [
    "env.num_envs=8",
    "env.physics=native",
    "env.episode_length=6",
    "env.command.resample=4",
    "ppo.rollout_length=8",
    "ppo.epochs=2",
    "ppo.iterations=3",
    "networks.actor=[16]",
    "networks.critic=[16]",
    "amp.hidden=[16]",
    "amp.batch_size=32",
    "amp.replay_size=128",
    "logging.interval=2",
    "logging.wandb=off",
]
# the one has 0 where it means 'not at all'; the other another value for everything that can be swept
OF_ROBOT = [
    "env.action_scale=0.4",
    "env.command.forward=[0.4, 0.8]",
    "env.command.clip_share=0",
    "env.min_height=0.33",
    "env.speed_tolerance=0.1",
]
ONE = [*OF_ROBOT, "ppo.target_kl=0", "ppo.learning_rate=3e-3", "amp.noise_half_life=0", "amp.r1_gamma=0"]
OTHER = [
    "env.episode_length=5",
    "env.action_scale=0.3",
    "env.command.forward=[0.2, 0.9]",
    "env.command.sideways=[-0.2, 0.3]",
    "env.command.turn=[-1, 1]",
    "env.command.stand_share=0.1",
    "env.command.clip_share=0.5",
    "env.command.resample=3",
    "env.command.retry_share=0.5",
    "env.reference_start_share=0.5",
    "env.start_noise=0.1",
    "env.min_height=0.4",
    "env.max_tilt=0.1",
    "env.speed_tolerance=0.3",
    "env.turn_tolerance=0.5",
    "env.action_rate_cost=0.05",
    "ppo.seed=7",
    "ppo.learning_rate=1e-3",
    "ppo.learning_rate_range=[1e-4, 1.2e-3]",
    "ppo.target_kl=0.002",
    "ppo.target_kl_half_life=1",
    "ppo.gamma=0.9",
    "ppo.gae_lambda=0.8",
    "ppo.clip=0.05",
    "ppo.entropy_cost=0.01",
    "ppo.value_cost=0.9",
    "ppo.max_gradient_norm=0.1",
    "amp.style_weight=0.5",
    "amp.task_weight=0.6",
    "amp.label_smoothing=0.1",
    "amp.warm_up=1",
    "amp.r1_gamma=3",
    "amp.r2_gamma=2",
    "amp.gp_weight=1",
    "amp.gp_target=0.5",
    "amp.logit_decay=0.1",
    "amp.weight_decay=0.01",
    "amp.discriminator_lr=1e-2",
    "amp.adam_b1=0.8",
    "amp.adam_b2=0.9",
    "amp.update_every=2",
    "amp.input_noise=0.4",
    "amp.noise_half_life=1",
    "amp.control_range=[0.99, 1.01]",
    "amp.target_accuracy=0.9",
]
STATIC = {  # numbers that decide sizes or what is computed
    "env": {"num_envs", "control_dt", "history"},
    "ppo": {"iterations", "rollout_length", "epochs", "batch_size"},
    "amp": {
        "targets",
        "window",
        "dilation",
        "patch_frames",
        "hidden",
        "dropout",
        "update_steps",
        "batch_size",
        "replay_size",
        "replay_share",
    },
}


def test_every_number_is_swept_or_has_a_reason_not_to_be() -> None:
    values = to_dict(resolve(load_config(CONFIG, OTHER), accelerator=False))
    values["env.command"] = values["env"].pop("command")
    numeric = {
        f"{section}.{key}"
        for section in ("env", "env.command", "ppo", "amp")
        for key, value in values[section].items()
        if isinstance(value, int | float | list) and not isinstance(value, bool)
    }
    static = {f"{section}.{key}" for section, keys in STATIC.items() for key in keys}
    assert numeric == set(sweep_grid.SWEEPABLE) | static
    assert {entry.partition("=")[0] for entry in OTHER} == set(sweep_grid.SWEEPABLE)
    assert len({key.rpartition(".")[2] for key in sweep_grid.SWEEPABLE}) == len(
        sweep_grid.SWEEPABLE
    )  # the names of members


def test_only_what_differs_is_traced() -> None:
    configs = [resolve(load_config(CONFIG, [*SMALL, *own]), accelerator=False) for own in (ONE, OTHER)]
    assert set(sweep_grid.numbers(configs)) == set(sweep_grid.SWEEPABLE) - {"ppo.seed"}
    assert sweep_grid.numbers([configs[1], configs[1]]) == {}
    assert sweep_grid.numbers([configs[0], configs[0]]) == {}


def test_the_grid_is_the_product_of_its_lists() -> None:
    members = sweep_grid.make_members(CONFIG, SMALL, ["amp.r1_gamma=0.5, 1", "env.command.forward=[0.4,0.6],[0.2,0.8]"])
    assert [member.name for member in members] == [
        f"r1_gamma={gamma},forward={speed}" for gamma in ("0.5", "1") for speed in ("0.4..0.6", "0.2..0.8")
    ]
    assert members[3].config.env.command.forward == (0.2, 0.8)
    assert members[3].config.env.num_envs == 8


@pytest.mark.parametrize(
    ("lists", "sentence"),
    [
        ([], "nothing to sweep; give .*--grid amp.r1_gamma=0.5,1,5"),
        (["amp.r1_gamma"], "--grid amp.r1_gamma: expected section.key=VALUE,VALUE"),
        (["amp.r1_gamma="], "expected section.key=VALUE,VALUE"),
        (["amp.r1_gamma=1,,5"], "expected section.key=VALUE,VALUE"),
        (["=1,5"], "expected section.key=VALUE,VALUE"),
        (["amp.r1_gama=1,5"], "there is no setting 'amp.r1_gama'; did you mean 'amp.r1_gamma'"),
        (["amp.update_steps=1,2"], "'amp.update_steps' .*cannot be swept; did you mean 'amp.update_every'"),
        (["amp.loss=lsgan,hinge"], "'amp.loss' .*cannot be swept"),
        (["ppo.seed=0,1", "ppo.seed=2"], "'ppo.seed' is given twice"),
        (["amp.r1_gamma=1,1.0"], "has 'r1_gamma=1' twice"),
        (["amp.r1_gamma=1,-1"], "--set amp.r1_gamma=-1: amp.r1_gamma is -1; expected a number at least 0"),
        (["ppo.seed=0,half"], "ppo.seed is 'half'; expected a whole number"),
        (["env.command_speed=[0,1],[0,2]"], "no setting 'env.command_speed': it is called env.command.forward now"),
        (["env.command=1,2"], "'env.command' .*cannot be swept"),
        (["env.command.forwrd=1,2"], "no setting 'env.command.forwrd'; did you mean 'env.command.forward'"),
        (["env.command.forward=0.4,0.8"], r"env.command.forward is 0.4; expected \[lowest, highest\]"),
    ],
)
def test_a_wrong_grid_is_one_sentence(lists: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        sweep_grid.make_members(CONFIG, SMALL, lists)


def test_a_member_that_contradicts_itself_is_refused() -> None:
    wasserstein = ["amp.loss=wasserstein", "amp.reward=linear"]
    with pytest.raises(InputError, match=r"amp\.loss wasserstein grows without end"):
        sweep_grid.make_members(CONFIG, [*SMALL, *wasserstein], ["amp.r1_gamma=1,0"])
