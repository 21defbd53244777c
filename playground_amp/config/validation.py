"""Which settings of the motion prior belong together: what a pair that contradicts itself is told.

A reward reads scores in the way that one loss writes them. The wrong pair trains, and rewards the wrong thing: a
quadratic reward made for the targets -1 and 1 gives a certain fake 0.75 under the targets 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from playground_amp.config.settings import AMPConfig, Config

VALID_REWARDS: dict[str, tuple[str, ...]] = {
    "lsgan": ("clipped_linear", "quadratic", "linear"),
    "vanilla": ("sigmoid", "gail", "softplus", "linear"),
    "hinge": ("softplus", "linear"),
    "wasserstein": ("linear",),
}
REASONS = {
    "clipped_linear": "clip(D, 0, 1) reads D as the targets 0 and 1 of lsgan",
    "quadratic": "1 - (D - c)^2 / 4 reads D as targets of lsgan that lie 2 apart, such as -1 and 1",
    "sigmoid": "sigmoid(D) reads D as a logit: with targets 0 and 1 a certain fake would earn 0.5",
    "gail": "-log(1 - sigmoid(D)) reads D as a logit: with targets 0 and 1 a certain fake would earn 0.69",
    "softplus": "log(1 + exp(D)) needs scores that are negative for the policy: logits or margins",
}
LABELLED = ("lsgan", "vanilla")  # losses with a label for the reference that can be smoothed


def contradictions(config: Config) -> Iterator[str]:
    """A sentence for every pair of settings that contradicts itself, with the valid partners."""
    amp = config.amp
    a, b, c = amp.targets
    if amp.loss == "lsgan" and not a < c <= b:
        yield f"amp.targets is {list(amp.targets)}; expected [a, b, c] with a < c <= b, such as [0, 1, 1] or [-1, 1, 1]"
    yield from _reward(amp)
    if amp.label_smoothing and amp.loss not in LABELLED:
        yield f"amp.label_smoothing has no label to smooth with amp.loss {amp.loss}; valid losses: {_either(LABELLED)}"
    if amp.loss == "wasserstein" and not (_penalised(amp) or amp.normalization == "spectral"):
        yield (
            "amp.loss wasserstein grows without end unless its slope is held: raise amp.gp_weight (10 is usual), "
            "or set amp.normalization spectral"
        )
    if amp.trunk == "patches" and amp.patch_frames > amp.window:
        yield f"amp.patch_frames is {amp.patch_frames}, longer than amp.window ({amp.window})"
    if amp.mirror_policy and not config.reference.mirror:
        yield "amp.mirror_policy needs reference.mirror true: else being mirrored would tell the policy's samples"
    if config.ppo.mirror and not config.networks.symmetric:
        yield (
            "ppo.mirror needs networks.symmetric true: a policy without symmetry may all but never take the mirror "
            "image of its own action, and the ratio of such probabilities grows without end"
        )
    if config.logging.video_interval and not config.logging.video_seconds:
        yield (
            f"logging.video_interval is {config.logging.video_interval}, but logging.video_seconds is 0; give videos a "
            f"length, or set logging.video_interval 0"
        )
    randomize = config.env.randomize
    if randomize.push[1] and randomize.push_interval >= config.env.episode_length:
        yield (
            f"env.randomize.push_interval is {randomize.push_interval}, so that no push of env.randomize.push comes "
            f"before the end of an episode; expected less than env.episode_length ({config.env.episode_length})"
        )


def _reward(amp: AMPConfig) -> Iterator[str]:
    valid = [reward for reward in VALID_REWARDS[amp.loss] if _reads(reward, amp)]
    if amp.reward in valid:
        return
    targets = f" with amp.targets {list(amp.targets)}" if amp.loss == "lsgan" else ""
    yield (
        f"amp.reward {amp.reward} contradicts amp.loss {amp.loss}{targets}: {REASONS[amp.reward]}; "
        f"valid rewards here: {', '.join(valid)}; valid losses for it: {_either(_losses(amp.reward))}"
    )


def _reads(reward: str, amp: AMPConfig) -> bool:
    """Whether the targets of lsgan are those that the reward takes for granted."""
    a, _, c = amp.targets
    fits = {"clipped_linear": (a, c) == (0.0, 1.0), "quadratic": c - a == 2.0}
    return fits.get(reward, True)


def _losses(reward: str) -> list[str]:
    return [loss for loss, rewards in VALID_REWARDS.items() if reward in rewards]


def _penalised(amp: AMPConfig) -> bool:
    return max(amp.gp_weight, amp.r1_gamma, amp.r2_gamma) > 0.0


def _either(names: tuple[str, ...] | list[str]) -> str:
    return " or ".join(names)
