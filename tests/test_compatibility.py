"""Settings that contradict each other are refused with the reason and with what would be valid."""

from __future__ import annotations

import itertools
import re
from typing import get_args, get_type_hints

import pytest

from playground_amp.config import AMPConfig, build
from playground_amp.config.validation import VALID_REWARDS
from playground_amp.core.errors import InputError

LOSSES, REWARDS = (get_args(get_type_hints(AMPConfig)[field]) for field in ("loss", "reward"))
ALLOWED = {  # the table of docs/discriminators.md; lsgan by its targets
    "lsgan": {"clipped_linear", "linear"},
    "vanilla": {"sigmoid", "gail", "softplus", "linear"},
    "hinge": {"softplus", "linear"},
    "wasserstein": {"linear"},
}
REASONS = {  # words of the reason that each reward is refused for
    "clipped_linear": "reads D as the targets 0 and 1 of lsgan",
    "quadratic": "targets of lsgan that lie 2 apart, such as -1 and 1",
    "sigmoid": "reads D as a logit: with targets 0 and 1 a certain fake would earn 0.5",
    "gail": "reads D as a logit: with targets 0 and 1 a certain fake would earn 0.69",
    "softplus": "needs scores that are negative for the policy",
}
HOMES = {
    "clipped_linear": "lsgan",
    "quadratic": "lsgan",
    "sigmoid": "vanilla",
    "gail": "vanilla",
    "softplus": "vanilla or hinge",
}


def mistakes(*, reference: dict | None = None, **amp: object) -> list[str]:
    """The sentences that the settings are refused with."""
    try:
        build({"amp": amp, "reference": reference or {}}, "FILE")
    except InputError as error:
        lines = str(error).splitlines()
        assert all(line.startswith("FILE: ") for line in lines)
        return [line.removeprefix("FILE: ") for line in lines]
    return []


def test_the_tables_name_every_loss_and_every_reward() -> None:
    assert set(VALID_REWARDS) == set(ALLOWED) == set(LOSSES)
    assert set().union(*VALID_REWARDS.values()) == set(REWARDS)


@pytest.mark.parametrize(("loss", "reward"), list(itertools.product(LOSSES, REWARDS)))
def test_a_reward_goes_with_the_losses_whose_scores_it_reads(loss: str, reward: str) -> None:
    found = mistakes(loss=loss, reward=reward)
    if reward in ALLOWED[loss]:
        assert found == []
        return
    (sentence,) = found
    assert sentence.startswith(f"amp.reward {reward} contradicts amp.loss {loss}")
    assert REASONS[reward] in sentence
    valid = re.search(r"valid rewards here: ([^;]*);", sentence)
    assert valid and set(valid[1].split(", ")) == ALLOWED[loss]
    assert sentence.endswith(f"valid losses for it: {HOMES[reward]}")


@pytest.mark.parametrize("reward", REWARDS)
def test_the_partners_a_sentence_names_are_themselves_accepted(reward: str) -> None:
    for loss in LOSSES:
        for sentence in mistakes(loss=loss, reward=reward):
            named = re.search(r"valid rewards here: ([^;]*);", sentence)
            assert named
            for other in named[1].split(", "):
                assert mistakes(loss=loss, reward=other) == []


@pytest.mark.parametrize(
    ("targets", "rewards"),
    [
        ([0, 1, 1], {"clipped_linear", "linear"}),
        ([0, 2, 1], {"clipped_linear", "linear"}),
        ([-1, 1, 1], {"quadratic", "linear"}),
        ([0, 2, 2], {"quadratic", "linear"}),
        ([-1, 1, 0], {"linear"}),
        ([0, 0.5, 0.5], {"linear"}),
    ],
)
def test_the_targets_of_lsgan_decide_which_reward_reads_them(targets: list, rewards: set[str]) -> None:
    found = {reward: mistakes(targets=targets, reward=reward) for reward in REWARDS}
    assert {reward for reward, sentences in found.items() if not sentences} == rewards
    for reward in set(REWARDS) - rewards:
        (sentence,) = found[reward]
        assert f"with amp.targets {[float(x) for x in targets]}" in sentence


@pytest.mark.parametrize("targets", [[1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 1, 2], [1, 1, 1], [-1, 1, -1]])
def test_targets_in_a_wrong_order_are_refused(targets: list) -> None:
    (sentence,) = mistakes(targets=targets, reward="linear")
    assert sentence.startswith(f"amp.targets is {[float(x) for x in targets]}; expected [a, b, c] with a < c <= b")
    assert mistakes(targets=targets, loss="vanilla", reward="gail") == []  # which does not use them


@pytest.mark.parametrize("loss", LOSSES)
def test_only_losses_with_a_label_have_one_to_smooth(loss: str) -> None:
    found = mistakes(loss=loss, reward="linear", label_smoothing=0.1)
    if loss in ("lsgan", "vanilla"):
        assert found == []
    else:
        assert found == [
            f"amp.label_smoothing has no label to smooth with amp.loss {loss}; valid losses: lsgan or vanilla"
        ]


@pytest.mark.parametrize("held", [{"gp_weight": 10}, {"r1_gamma": 1}, {"r2_gamma": 1}, {"normalization": "spectral"}])
def test_a_critics_slope_must_be_held_by_something(held: dict) -> None:
    critic = {"loss": "wasserstein", "reward": "linear", "r1_gamma": 0}
    (sentence,) = mistakes(**critic)
    assert sentence.startswith("amp.loss wasserstein grows without end unless its slope is held")
    assert "raise amp.gp_weight (10 is usual), or set amp.normalization spectral" in sentence
    assert mistakes(**critic, normalization="layer", weight_decay=0.1, logit_decay=0.1) == [sentence]
    assert mistakes(**critic | held) == []
    assert mistakes(loss="hinge", reward="linear", r1_gamma=0) == []


def test_patches_fit_into_the_window() -> None:
    assert mistakes(trunk="patches", window=3, patch_frames=4) == ["amp.patch_frames is 4, longer than amp.window (3)"]
    assert mistakes(trunk="patches", window=3, patch_frames=3) == []
    assert mistakes(trunk="mlp", window=3, patch_frames=4) == []


def test_mirrored_samples_of_the_policy_need_mirrored_clips() -> None:
    """Else their reflection would be told from the reference by itself."""
    (sentence,) = mistakes(mirror_policy=True, reference={"mirror": False})
    assert sentence.startswith("amp.mirror_policy needs reference.mirror true")
    assert mistakes(mirror_policy=True, reference={"mirror": True}) == []


def test_reflections_to_learn_from_need_a_symmetric_policy() -> None:
    """A policy without symmetry may all but never take the mirror image of its own action: the ratio overflows."""
    with pytest.raises(InputError, match=r"^FILE: ppo\.mirror needs networks\.symmetric true: [^\n]*$"):
        build({"ppo": {"mirror": True}, "networks": {"symmetric": False}}, "FILE")
    for mirror, symmetric in ((True, True), (False, False)):
        build({"ppo": {"mirror": mirror}, "networks": {"symmetric": symmetric}}, "FILE")


def test_all_contradictions_are_told_at_once() -> None:
    found = mistakes(loss="hinge", reward="gail", label_smoothing=0.1, trunk="patches", patch_frames=2)
    assert len(found) == 3
