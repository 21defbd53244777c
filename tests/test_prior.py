"""The motion prior: what the discriminator is shown, what it is taught, and when. Inputs against NumPy, by hand."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import CONTROL_DT, make_clip, slow

from playground_amp.config import AMPConfig, Config, with_hyperparams
from playground_amp.core.commands import MIRROR, UNIT
from playground_amp.core.errors import InputError
from playground_amp.core.terms import FeatureGroup
from playground_amp.core.types import Outcome
from playground_amp.discriminator import losses
from playground_amp.discriminator.motion_prior import DiscriminatorState, EffectiveHyperparams, MotionPrior
from playground_amp.discriminator.rewards import no_scores
from playground_amp.envs.task import ahead
from playground_amp.learning import replay
from playground_amp.motion.features import CLIP, feature_mirror, feature_names, feature_weights, group_sizes
from playground_amp.motion.reference_builder import Reference, make_reference
from playground_amp.robots import Robot

SIZE = 64  # of a batch
WALK, STAND = 0, 1
FEATURES = 29
SMALL = {"hidden": (16, 8), "batch_size": SIZE, "replay_size": 128, "update_steps": 1, "discriminator_lr": 1e-2}
VALID = {"lsgan": "clipped_linear", "vanilla": "sigmoid", "hinge": "softplus", "wasserstein": "linear"}

MakePrior = Callable[..., MotionPrior]


@pytest.fixture(scope="module")
def make_prior(robot: Robot, gaits_of: Callable[[int], Reference]) -> MakePrior:
    """A prior of two gaits, once for the same keywords: fields of AMPConfig, and one of MotionPrior."""
    made: dict[str, MotionPrior] = {}

    def make(*, follow_command: bool = False, **settings: object) -> MotionPrior:
        key = repr((follow_command, sorted(settings.items())))
        if key not in made:
            config = AMPConfig(**SMALL | settings)
            reference = gaits_of((config.window - 1) * config.dilation + 1)
            made[key] = MotionPrior(config, reference, robot, follow_command=follow_command)
        return made[key]

    return make


@pytest.fixture(scope="module")
def plain(make_prior: MakePrior) -> MotionPrior:
    return make_prior()


def outcome(reference: Reference, label: int = WALK, steps: int = 4, robots: int = 6) -> Outcome:
    """A rollout [T, B] whose windows are those of the reference, a little off."""
    rng, span = np.random.default_rng(0), reference.windows.shape[1]
    rows = rng.integers(0, len(reference.windows), (steps, robots))
    off = 0.01 * rng.normal(size=(steps, robots, span, FEATURES))
    return SimpleNamespace(
        amp_window=reference.windows[rows] + jnp.float32(off),
        label=jnp.full((steps, robots), label, jnp.int32),
        command=jnp.asarray(rng.uniform([0.2, -0.3, -1.0], [0.6, 0.3, 1.0], (steps, robots, 3)), jnp.float32),
    )


def normalised(reference: Reference, windows: np.ndarray) -> np.ndarray:
    mean, std = np.asarray(reference.normalizer.mean), np.asarray(reference.normalizer.std)
    return np.clip((np.asarray(windows) - mean) / std, -CLIP, CLIP)


def hyperparams(prior: MotionPrior, **changes: float) -> EffectiveHyperparams:
    """No noise, everything else as configured."""
    found = prior.hyperparams(prior.init(jax.random.key(0)), jnp.int32(0))
    return found.replace(**{name: jnp.float32(value) for name, value in ({"input_noise": 0.0} | changes).items()})


# --- what is seen


def test_inputs_are_windows_normalised_by_the_reference(make_prior: MakePrior) -> None:
    prior = make_prior(window=3)
    rollout = outcome(prior.reference)
    expected = normalised(prior.reference, rollout.amp_window).reshape(4, 6, 3 * FEATURES)
    np.testing.assert_allclose(prior.inputs(rollout), expected, atol=1e-4)
    assert (prior.shape.width, prior.shape.condition) == (3 * FEATURES, 0)


def test_drawn_inputs_are_normalised_windows(plain: MotionPrior) -> None:
    drawn = np.asarray(plain.builder.of_reference(jax.random.key(0), 6000, jnp.zeros((6000, FEATURES))))
    assert drawn.shape == (6000, FEATURES)
    allowed = np.asarray(plain.reference.normalizer(plain.reference.windows)).reshape(-1, FEATURES)
    rows = {row.tobytes() for row in drawn}
    assert rows <= {row.tobytes() for row in allowed}
    assert len(rows) > 0.9 * len(np.unique(allowed, axis=0))  # from first to last
    assert np.abs(drawn).max() <= CLIP


@pytest.mark.parametrize(("window", "dilation"), [(3, 2), (2, 5), (4, 1), (1, 3)])
def test_a_dilated_window_is_every_dth_step_up_to_the_newest(make_prior: MakePrior, window: int, dilation: int) -> None:
    prior = make_prior(window=window, dilation=dilation)
    span = (window - 1) * dilation + 1
    rollout = outcome(prior.reference)
    assert rollout.amp_window.shape[2] == span
    frames = [span - 1 - i * dilation for i in reversed(range(window))]  # oldest first
    assert frames[-1] == span - 1 and frames[0] == 0
    expected = normalised(prior.reference, rollout.amp_window[:, :, frames]).reshape(4, 6, -1)
    np.testing.assert_allclose(prior.inputs(rollout), expected, atol=1e-4)
    drawn = np.asarray(prior.builder.of_reference(jax.random.key(0), 5, jnp.zeros((5, prior.shape.width))))
    windows = normalised(prior.reference, prior.reference.windows)[:, frames].reshape(len(prior.reference.windows), -1)
    assert np.abs(drawn[:, None] - windows).max(axis=-1).min(axis=-1).max() < 1e-4


WEIGHTS = {"foot_contacts": 0.0, "root_height": 0.0, "joint_velocities": 0.5, "root_direction": 3.0}


def test_a_weight_of_zero_drops_a_group_and_another_scales_it(make_prior: MakePrior, robot: Robot) -> None:
    prior = make_prior(feature_weights=WEIGHTS, window=2)
    rollout = outcome(prior.reference)
    scale = np.repeat([1.0, 0.5, 3.0, 1.0], [9, 9, 3, 3])
    expected = normalised(prior.reference, rollout.amp_window)[..., :24] * scale
    np.testing.assert_allclose(prior.inputs(rollout), expected.reshape(4, 6, 48), atol=1e-4)
    assert (prior.shape.features, prior.shape.width) == (24, 48)
    real = prior.builder.of_reference(jax.random.key(0), 7, jnp.zeros((7, 48)))
    assert real.shape == (7, 48)
    assert prior.init(jax.random.key(0)).params["params"]["Dense_0"]["kernel"].shape == (48, 16)


def test_weights_go_to_the_features_of_their_group(robot: Robot) -> None:
    names, sizes = feature_names(robot), group_sizes(robot)
    assert sum(sizes.values()) == len(names)
    words = {
        "joint_positions": " position",
        "joint_velocities": " velocity",
        "root_direction": "root direction",
        "root_angular_velocity": "root angular",
        "root_height": "root height",
        "foot_contacts": " contact",
    }
    for group, word in words.items():
        weights = feature_weights(robot, {group: 0.25})
        marked = [name for name, weight in zip(names, weights, strict=True) if weight == 0.25]
        assert marked == [name for name in names if word in name and (word != " velocity" or "root" not in name)]
        assert len(marked) == sizes[group]


def test_dropping_every_group_is_refused(make_prior: MakePrior) -> None:
    message = r"amp.feature_weights leaves no feature; give one of joint_positions.*above 0"
    with pytest.raises(InputError, match=message):
        make_prior(feature_weights=dict.fromkeys(get_args(FeatureGroup), 0.0))


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("none", []),
        ("label", [0.0, 1.0]),
        ("command", [0.45 / 0.2, -0.1 / 0.2, 0.6 / 0.4]),
        ("both", [0.0, 1.0, 0.45 / 0.2, -0.1 / 0.2, 0.6 / 0.4]),
    ],
)
def test_the_condition_follows_the_frames(make_prior: MakePrior, condition: str, columns: list[float]) -> None:
    prior = make_prior(condition=condition, window=2)
    rollout = outcome(prior.reference, label=STAND)
    rollout.command = jnp.broadcast_to(jnp.array([0.45, -0.1, 0.6]), (4, 6, 3))
    inputs = np.asarray(prior.inputs(rollout))
    assert inputs.shape == (4, 6, 2 * FEATURES + len(columns)) and prior.shape.condition == len(columns)
    np.testing.assert_allclose(inputs[..., 2 * FEATURES :], np.broadcast_to(columns, (4, 6, len(columns))), rtol=1e-6)
    np.testing.assert_allclose(
        inputs[..., : 2 * FEATURES],
        normalised(prior.reference, rollout.amp_window).reshape(4, 6, -1),
        atol=1e-4,
    )


def test_body_parts_are_places_among_the_features_that_are_kept(make_prior: MakePrior, robot: Robot) -> None:
    """Two legs with their contacts, and the root with the joint that turns the trunk, if it is one of its own."""
    names = np.array(feature_names(robot))
    parts = [set(names[list(part)]) for part in make_prior().shape.parts]
    for side in ("left", "right"):
        (leg,) = [part for part in parts if f"{side}_knee_pitch position" in part]
        mine = {name for name in names if name.startswith(side)}
        assert leg == mine
    assert {"root height"} <= next(part for part in parts if "root direction x" in part)
    assert set().union(*parts) == set(names)
    kept = np.array([name for name in names if "contact" not in name and "root" not in name])
    weights = {"foot_contacts": 0.0, "root_height": 0.0, "root_direction": 0.0, "root_angular_velocity": 0.0}
    fewer = [set(kept[list(part)]) for part in make_prior(feature_weights=weights).shape.parts]
    assert fewer == [part & set(kept) for part in parts if part & set(kept)]


# --- reflections


@pytest.mark.parametrize("settings", [{}, {"feature_weights": WEIGHTS}, {"condition": "both"}])
def test_mirrored_twice_is_the_motion_itself(make_prior: MakePrior, settings: dict) -> None:
    prior = make_prior(window=3, dilation=2, **settings)
    inputs = prior.inputs(outcome(prior.reference, label=STAND))
    once = prior.builder.mirrored(inputs)
    np.testing.assert_allclose(prior.builder.mirrored(once), inputs, atol=1e-6)
    assert np.abs(once - inputs).max() > 0.5
    if prior.shape.condition:  # the same gait, and the reflected command
        np.testing.assert_array_equal(once[..., -5:-3], inputs[..., -5:-3])
        np.testing.assert_array_equal(once[..., -3:], inputs[..., -3:] * np.array(MIRROR))


@pytest.mark.parametrize("settings", [{}, {"feature_weights": WEIGHTS}])
def test_mirrored_windows_of_a_clip_are_those_of_the_mirrored_clip(make_prior: MakePrior, settings: dict) -> None:
    """Windows of a gait: first those of its clips, then those of the clips' reflections."""
    prior = make_prior(window=2, dilation=3, **settings)
    first, count = int(prior.reference.gaits.first[WALK]), int(prior.reference.gaits.count[WALK]) // 2
    windows = prior.reference.windows[first : first + 2 * count]
    rows = SimpleNamespace(amp_window=windows, label=jnp.zeros(2 * count, jnp.int32), command=None)
    inputs = np.asarray(prior.inputs(rows))
    np.testing.assert_allclose(prior.builder.mirrored(inputs[:count]), inputs[count:], atol=5e-3)
    assert np.abs(inputs[:count] - inputs[count:]).max() > 1.0


def test_reflection_of_features_is_that_of_the_motion(robot: Robot, walk: np.ndarray) -> None:
    partner, sign = feature_mirror(robot)
    names = feature_names(robot)
    swapped = [names[i].replace("left", "L").replace("right", "left").replace("L", "right") for i in partner]
    assert swapped == names  # a leg's feature is found at the other leg, the others at their own place
    assert set(np.abs(sign)) == {1.0}
    one = make_reference([make_clip(robot, walk)], robot, window=1, mirror=True, control_dt=CONTROL_DT).windows[:, 0]
    half = len(one) // 2
    np.testing.assert_allclose(np.asarray(one[:half])[:, partner] * sign, one[half:], atol=1e-3)


def test_half_of_the_policys_samples_are_shown_mirrored(make_prior: MakePrior) -> None:
    """Fresh and replayed ones, drawn row by row and anew in every step."""
    prior = make_prior(mirror_policy=True, condition="both")
    fresh = prior.inputs(outcome(prior.reference)).reshape(-1, prior.shape.width)
    old = 0.5 * fresh
    fake = shown(prior, fresh, replay.add(replay.init(64, prior.shape.width), old), seeds=20).fake
    known = jnp.concatenate([fresh, old])
    plain, mirrored = (
        {row.tobytes() for row in np.asarray(rows)} for rows in (known, jax.jit(prior.builder.mirrored)(known))
    )
    reflected = np.array([row.tobytes() in mirrored for row in fake])
    assert (reflected ^ [row.tobytes() in plain for row in fake]).all()
    reflected = reflected.reshape(20, 2, SIZE // 2)  # 640 fresh and 640 replayed
    np.testing.assert_allclose(reflected.mean(axis=(0, 2)), 0.5, atol=0.08)
    assert len(np.unique(reflected.reshape(20, -1), axis=0)) == 20


# --- what it learns from


class Spy:
    """A network that remembers what it is taught with."""

    def __init__(self, network: object):
        self.network, self.taught = network, []

    def apply(self, variables: dict, inputs: jax.Array, *, train: bool = False, **settings: object) -> object:
        if train:
            self.taught.append(inputs)
        return self.network.apply(variables, inputs, train=train, **settings)


@functools.cache
def spied_step(prior: MotionPrior) -> tuple[DiscriminatorState, Callable[..., tuple]]:
    """The first state, and its step, which also tells what it taught; compiled once for each prior."""
    state = prior.init(jax.random.key(0))

    @jax.jit
    def step(noise: jax.Array, fresh: jax.Array, buffer: replay.Replay, key: jax.Array) -> tuple:
        spied = copy.copy(prior)
        spied.network = Spy(prior.network)
        after, metrics = spied.step(state, hyperparams(prior).replace(input_noise=noise), fresh, buffer, key)
        return *spied.network.taught, after, metrics

    return state, step


def shown(
    prior: MotionPrior, fresh: jax.Array, buffer: replay.Replay, *, noise: float = 0.0, seeds: int = 1
) -> SimpleNamespace:
    """Reference and policy inputs [seeds * SIZE, D] of first steps with one key each, and what came of the first."""
    state, step = spied_step(prior)
    steps = [step(noise, fresh, buffer, jax.random.key(seed)) for seed in range(seeds)]
    real, fake = (np.concatenate([one[side] for one in steps]) for side in (0, 1))
    return SimpleNamespace(real=real, fake=fake, before=state, after=steps[0][2], metrics=steps[0][3])


def conditioned(prior: MotionPrior, label: int, speed: float, count: int) -> jax.Array:
    """Policy inputs [count, D] that were asked for one thing: a gait and a speed straight ahead."""
    frames = jnp.zeros((count, prior.shape.frames * prior.shape.features))
    condition = prior.builder.condition(jnp.full(count, label, jnp.int32), ahead(jnp.full(count, speed)))
    return jnp.concatenate([frames, condition], axis=-1)


def rows_of(prior: MotionPrior, frames: np.ndarray) -> np.ndarray:
    """The windows of the reference that the frames [N, K * F] are."""
    windows = normalised(prior.reference, prior.reference.windows[:, :: prior.config.dilation])
    distance = np.abs(frames[:, None] - windows.reshape(1, len(windows), -1)).max(axis=-1)
    assert distance.min(axis=1).max() < 1e-4
    return distance.argmin(axis=1)


@pytest.mark.parametrize("condition", [*slow("label", "command"), "both"])
def test_each_reference_sample_is_asked_for_what_its_policy_sample_was(make_prior: MakePrior, condition: str) -> None:
    """The policy's rows are of both gaits, and the replayed ones of other gaits and speeds than the fresh ones."""
    prior = make_prior(condition=condition, window=2, dilation=3)
    fresh = jnp.concatenate([conditioned(prior, WALK, 0.55, 20), conditioned(prior, STAND, 0.0, 10)])
    buffer = replay.add(replay.init(128, prior.shape.width), conditioned(prior, WALK, 0.25, 60))
    step = shown(prior, fresh, buffer)
    frames = prior.shape.frames * prior.shape.features
    np.testing.assert_array_equal(step.real[:, frames:], step.fake[:, frames:])
    assert len(np.unique(step.fake[:32, frames:], axis=0)) == 2  # fresh
    assert len(np.unique(step.fake[32:, frames:], axis=0)) == 1  # replayed
    rows = rows_of(prior, step.real[:, :frames])
    if condition != "command":
        label = step.fake[:, frames : frames + 2].argmax(axis=1)
        np.testing.assert_array_equal(prior.reference.gaits.of[rows], label)
        assert set(label[:32]) == {WALK, STAND} and set(label[32:]) == {WALK}
    if condition != "label":
        wanted = step.fake[:, -3:] * UNIT
        np.testing.assert_allclose(np.unique(wanted[:, 0]), [0.0, 0.25, 0.55], atol=1e-6)
        np.testing.assert_array_equal(wanted[:, 1:], 0.0)
        assert np.abs(np.asarray(prior.reference.command)[rows, 0] - wanted[:, 0]).max() < 0.15


def test_a_speed_alone_is_answered_by_clips_of_every_gait(make_prior: MakePrior) -> None:
    """Labels of the clips say nothing to a discriminator that is told the command only."""
    prior = make_prior(condition="command")
    for speed, gait in ((0.0, STAND), (0.55, WALK)):
        real = prior.builder.of_reference(jax.random.key(0), 40, conditioned(prior, WALK, speed, 40))
        rows = rows_of(prior, np.asarray(real)[:, :-3])
        assert (np.asarray(prior.reference.gaits.of)[rows] == gait).mean() > 0.9


@pytest.mark.parametrize("condition", ["none", "label"])
def test_samples_follow_the_command_though_nobody_is_told_it(make_prior: MakePrior, condition: str) -> None:
    """Fresh and replayed ones; each reference sample is about as fast as its policy sample was asked to be."""
    prior = make_prior(follow_command=True, condition=condition, window=2, dilation=3)
    frames = prior.shape.frames * prior.shape.features

    def marked(label: int, speed: float, count: int) -> jax.Array:
        """The policy's motion tells the command that it was asked for, as the network is not given it."""
        return conditioned(prior, label, speed, count).at[:, :frames].set(speed)

    fresh = jnp.concatenate([marked(WALK, 0.55, 20), marked(STAND, 0.0, 10)])
    buffer = replay.add(replay.init(128, prior.shape.width), marked(WALK, 0.25, 60))
    step = shown(prior, fresh, buffer)
    assert step.real.shape[1] == step.fake.shape[1] == prior.shape.width - 3
    wanted = step.fake[:, 0]
    np.testing.assert_allclose(np.unique(wanted), [0.0, 0.25, 0.55], atol=1e-6)
    rows = rows_of(prior, step.real[:, :frames])
    assert np.abs(np.asarray(prior.reference.command)[rows, 0] - wanted).max() < 0.15
    if condition == "label":
        gaits = step.fake[:, frames : frames + 2].argmax(axis=1)
        np.testing.assert_array_equal(prior.reference.gaits.of[rows], gaits)


def test_without_it_samples_do_not_follow(make_prior: MakePrior) -> None:
    prior = make_prior(condition="label")
    real = prior.builder.of_reference(jax.random.key(0), 200, conditioned(prior, WALK, 0.55, 200))
    speed = np.asarray(prior.reference.command)[rows_of(prior, np.asarray(real)[:, :FEATURES]), 0]
    assert (speed < 0.4).mean() > 0.2


@pytest.mark.parametrize("trunk", ["mlp", *slow("convolution", "patches")])
def test_the_command_that_is_followed_never_reaches_the_network(make_prior: MakePrior, trunk: str) -> None:
    """Not its scores, not its penalties, not its parameters: those are as if it were not there."""
    settings = {"trunk": trunk, "window": 2, "r1_gamma": 1.0, "r2_gamma": 1.0, "gp_weight": 1.0}
    prior, plain = make_prior(follow_command=True, **settings), make_prior(**settings)
    assert prior.shape.width == plain.shape.width + 3
    state = prior.init(jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, state.params, plain.init(jax.random.key(0)).params)
    inputs = prior.inputs(outcome(prior.reference))
    other = inputs.at[..., -3:].set(77.0)
    np.testing.assert_array_equal(prior.score(state, inputs), prior.score(state, other))
    np.testing.assert_array_equal(prior.score(state, inputs), plain.score(state, inputs[..., :-3]))
    sides = inputs.reshape(-1, prior.shape.width)
    sides = sides[:12], sides[12:]
    key, chosen = jax.random.key(1), hyperparams(prior)
    total, parts = prior._penalty(state, chosen, *sides, key)
    bare, of_plain = plain._penalty(state, chosen, *(side[:, :-3] for side in sides), key)
    np.testing.assert_allclose(parts["disc_r1"], of_plain["disc_r1"], rtol=1e-5)
    np.testing.assert_allclose(parts["disc_r2"], of_plain["disc_r2"], rtol=1e-5)
    assert float(parts["disc_gp"]) >= 0.0 and float(total) > 0.0 and float(bare) > 0.0


def test_a_command_that_is_told_is_not_carried_twice(make_prior: MakePrior) -> None:
    command_visible, both = make_prior(condition="command"), make_prior(condition="command", follow_command=True)
    assert command_visible.shape == both.shape
    state = command_visible.init(jax.random.key(0))
    inputs = command_visible.inputs(outcome(command_visible.reference))
    np.testing.assert_array_equal(command_visible.score(state, inputs), both.score(state, inputs))


def test_a_rollout_is_remembered_with_its_commands(make_prior: MakePrior) -> None:
    prior = make_prior(follow_command=True)
    rollout = outcome(prior.reference)
    inputs = np.asarray(prior.inputs(rollout))
    assert inputs.shape == (4, 6, FEATURES + 3)
    np.testing.assert_allclose(inputs[..., -3:] * UNIT, rollout.command, rtol=1e-5)
    mirrored = np.asarray(prior.builder.mirrored(jnp.asarray(inputs)))
    np.testing.assert_allclose(mirrored[..., -3:] * UNIT, rollout.command * np.array(MIRROR), rtol=1e-5)
    assert set(prior.diversity(prior.inputs(rollout).reshape(-1, FEATURES + 3))) == {
        "feature_diversity",
        "mode_coverage",
    }


@pytest.mark.parametrize("condition", ["none", "both"])
def test_noise_is_on_the_frames_of_both_and_never_on_the_condition(make_prior: MakePrior, condition: str) -> None:
    prior = make_prior(condition=condition, window=2)
    fresh = conditioned(prior, STAND, 0.4, 10)
    buffer = replay.add(replay.init(64, prior.shape.width), fresh)
    clean, noisy = shown(prior, fresh, buffer, seeds=4), shown(prior, fresh, buffer, noise=0.5, seeds=4)
    frames = 2 * FEATURES
    off = [getattr(noisy, side) - getattr(clean, side) for side in ("real", "fake")]
    for change in off:
        np.testing.assert_array_equal(change[:, frames:], 0.0)
        assert change[:, :frames].std() == pytest.approx(0.5, rel=0.02)
        assert np.abs(change[:, :frames].std(axis=0) - 0.5).max() < 0.1
    assert np.abs(np.corrcoef(off[0][:, :frames].ravel(), off[1][:, :frames].ravel())[0, 1]) < 0.03


@pytest.mark.parametrize("share", [0.0, 0.25, 0.75])
def test_the_replay_gives_its_share_of_the_policys_samples(make_prior: MakePrior, share: float) -> None:
    prior = make_prior(replay_share=share)
    fresh, old = jnp.ones((5, FEATURES)), jnp.full((20, FEATURES), 2.0)
    fake = shown(prior, fresh, replay.add(replay.init(64, FEATURES), old)).fake
    replayed = round(share * SIZE)
    np.testing.assert_array_equal(fake[:, 0], np.repeat([1.0, 2.0], [SIZE - replayed, replayed]))


# --- the step


PENALISED = {
    "r1_gamma": 1.5,
    "r2_gamma": 0.7,
    "gp_weight": 0.9,
    "gp_target": 0.8,
    "logit_decay": 0.05,
    "weight_decay": 0.01,
}


@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        ("lsgan", {"condition": "both"}),
        ("vanilla", {"normalization": "layer"}),
        pytest.param("hinge", {}, marks=pytest.mark.slow),
        pytest.param("wasserstein", {"condition": "command"}, marks=pytest.mark.slow),
    ],
)
def test_a_step_descends_the_loss_and_the_weighted_penalties(make_prior: MakePrior, loss: str, settings: dict) -> None:
    """Adam's first moment is (1 - b1) times the gradient; penalties leave the condition out."""
    smoothing = 0.2 if loss in ("lsgan", "vanilla") else 0.0
    prior = make_prior(loss=loss, reward=VALID[loss], label_smoothing=smoothing, **PENALISED, **settings)
    fresh = prior.inputs(outcome(prior.reference)).reshape(-1, prior.shape.width)
    step = shown(prior, fresh, replay.add(replay.init(64, prior.shape.width), fresh[::-1]), noise=0.3)
    frames = prior.shape.frames * prior.shape.features

    def expected(params: dict) -> tuple[jax.Array, dict]:
        def slopes(inputs: jax.Array) -> jax.Array:
            return jax.vmap(jax.grad(lambda x: prior.network.apply(params, x)))(inputs)[:, :frames]

        share = jax.random.uniform(jax.random.fold_in(jax.random.key(0), 2), (SIZE, 1))
        between = share * step.real + (1.0 - share) * step.fake
        r1, r2 = (jnp.sum(slopes(side) ** 2, axis=1).mean() for side in (step.real, step.fake))
        gp = jnp.mean((jnp.linalg.norm(slopes(between), axis=1) - 0.8) ** 2)
        dense = [params["params"][f"Dense_{i}"]["kernel"] for i in range(3)]
        scores = [prior.network.apply(params, side) for side in (step.real, step.fake)]
        total = losses.LOSSES[loss](*scores, prior.config.targets, smoothing)
        total += 0.75 * r1 + 0.35 * r2 + 0.9 * gp
        total += 0.05 * jnp.sum(dense[-1] ** 2) + 0.01 * sum(jnp.sum(kernel**2) for kernel in dense)
        return total, {"disc_r1": r1, "disc_r2": r2, "disc_gp": gp}

    gradient, metrics = jax.jit(jax.grad(expected, has_aux=True))(step.before.params)
    found = jax.tree.map(lambda moment: moment / (1.0 - prior.config.adam_b1), step.after.opt_state.mu)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(gradient), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    for name, value in metrics.items():
        assert float(step.metrics[name]) == pytest.approx(float(value), rel=1e-4)


def test_penalties_without_weight_are_not_computed(make_prior: MakePrior) -> None:
    prior = make_prior(r1_gamma=0.0)
    fresh = jnp.zeros((4, FEATURES))
    metrics = shown(prior, fresh, replay.init(8, FEATURES)).metrics
    assert not {"disc_r1", "disc_r2", "disc_gp"} & set(metrics)


def test_a_penalty_slope_does_not_count_what_was_asked_for(make_prior: MakePrior) -> None:
    """A score that follows the command alone has no slope along the motion."""
    prior = make_prior(condition="both", r1_gamma=1.0, r2_gamma=1.0, gp_weight=1.0)

    class Follows:
        def apply(self, variables: dict, inputs: jax.Array, *, train: bool = False, **_: object) -> object:
            score = 7.0 * inputs[..., -3:].sum(axis=-1) + 0.0 * variables["params"]["Dense_0"]["bias"][0]
            return (score, {}) if train else score

    fresh = conditioned(prior, WALK, 0.4, 8)
    state = prior.init(jax.random.key(0))
    follower = copy.copy(prior)
    follower.network = Follows()
    buffer = replay.add(replay.init(8, prior.shape.width), fresh)
    metrics = jax.jit(follower.step)(state, hyperparams(prior), fresh, buffer, jax.random.key(0))[1]
    assert (float(metrics["disc_r1"]), float(metrics["disc_r2"])) == (0.0, 0.0)
    assert float(metrics["disc_gp"]) == pytest.approx(1.0, abs=1e-5)


def flat_change(after: DiscriminatorState, before: DiscriminatorState) -> np.ndarray:
    pairs = zip(jax.tree.leaves(after.params), jax.tree.leaves(before.params), strict=True)
    return np.concatenate([np.ravel(a - b) for a, b in pairs])


def test_dropout_is_another_in_every_step_and_off_while_scoring(make_prior: MakePrior) -> None:
    """Policy inputs that are all alike are scored differently while it learns."""
    prior = make_prior(dropout=0.5, replay_share=0.0)
    fresh = jnp.tile(prior.inputs(outcome(prior.reference))[0, :1], (4, 1))
    state, buffer = prior.init(jax.random.key(0)), replay.init(8, FEATURES)
    assert float(jnp.ptp(prior.score(state, fresh))) < 1e-6
    step = jax.jit(prior.step)
    metrics = [step(state, hyperparams(prior), fresh, buffer, jax.random.key(seed))[1] for seed in (0, 0, 1)]
    means, spreads = ([float(row[f"disc_fake_{name}"]) for row in metrics] for name in ("mean", "std"))
    assert min(spreads) > 1e-3
    assert means[0] == means[1] != means[2]


@pytest.mark.slow
def test_spectral_statistics_go_on_with_every_step_and_stay_while_scoring(make_prior: MakePrior) -> None:
    """And after some steps no weight of any layer stretches anything."""
    prior = make_prior(normalization="spectral", loss="hinge", reward="linear", r1_gamma=0.0)
    fresh = prior.inputs(outcome(prior.reference)).reshape(-1, FEATURES)
    buffer, step = replay.add(replay.init(64, FEATURES), fresh), jax.jit(prior.step)
    first = state = prior.init(jax.random.key(0))
    for i in range(60):
        state, _ = step(state, hyperparams(prior), fresh, buffer, jax.random.key(i))
        if i == 0:
            assert all((a != b).any() for a, b in vectors(state, first))
    inputs = prior.builder.of_reference(jax.random.key(1), 200, jnp.zeros((200, FEATURES)))
    slopes = jax.jit(jax.vmap(jax.grad(lambda x: prior.score(state, x))))(inputs)
    assert np.abs(flat_change(state, first)).max() > 0.05
    norms = np.linalg.norm(slopes, axis=1)
    assert norms.max() < 1.01 and norms.max() > 0.3
    unchanged = prior.init(jax.random.key(0))
    assert not any((a != b).any() for a, b in vectors(unchanged, first))


def vectors(one: DiscriminatorState, other: DiscriminatorState) -> list[tuple[np.ndarray, np.ndarray]]:
    """The stored singular vectors of both."""
    found = zip(jax.tree.leaves(one.statistics), jax.tree.leaves(other.statistics), strict=True)
    return [(np.asarray(a), np.asarray(b)) for a, b in found if a.ndim == 2 and a.size > 1]


def test_a_skipped_step_changes_nothing_at_all(make_prior: MakePrior) -> None:
    """Not even the statistics of spectral norm."""
    prior = make_prior(normalization="spectral")
    state, fresh = prior.init(jax.random.key(0)), jnp.ones((4, FEATURES))
    step, skipped = jax.jit(prior.step), hyperparams(prior, update_share=0.0)
    after, _ = step(state, skipped, fresh, replay.init(8, FEATURES), jax.random.key(0))
    for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(a, b)


# --- when, and how fast


def test_updates_come_every_nth_iteration(make_prior: MakePrior) -> None:
    """The replay remembers every rollout all the same."""
    prior = make_prior(update_every=3, update_steps=2)
    update, fresh = jax.jit(prior.update), prior.inputs(outcome(prior.reference)).reshape(-1, FEATURES)
    state, buffer, moved = prior.init(jax.random.key(0)), replay.init(256, FEATURES), []
    for i in range(7):
        after, buffer, metrics = update(state, buffer, fresh, jnp.int32(i), jax.random.key(i))
        moved.append(np.abs(flat_change(after, state)).max() > 0.0)
        assert float(metrics["disc_update_share"]) == moved[-1]
        state = after
    assert moved == [True, False, False, True, False, False, True]
    assert int(buffer.size) == 7 * 24


def test_during_the_warm_up_style_is_worth_nothing_and_the_discriminator_learns(make_prior: MakePrior) -> None:
    prior = make_prior(warm_up=3)
    state, scores = prior.init(jax.random.key(0)), jnp.array([0.2, 0.9, 4.0])
    rewards = [np.asarray(prior.style(state, scores, jnp.int32(i))) for i in (0, 2, 3, 50)]
    np.testing.assert_allclose(rewards, [[0.0] * 3, [0.0] * 3, [0.2, 0.9, 1.0], [0.2, 0.9, 1.0]], rtol=1e-6)
    fresh = prior.inputs(outcome(prior.reference)).reshape(-1, FEATURES)
    after, _, _ = jax.jit(prior.update)(state, replay.init(64, FEATURES), fresh, jnp.int32(0), jax.random.key(0))
    assert np.abs(flat_change(after, state)).max() > 0.0


@pytest.mark.parametrize(("iteration", "expected"), [(0, 0.8), (10, 0.4), (20, 0.2), (5, 0.8 / np.sqrt(2.0))])
def test_the_noise_halves_at_its_half_life(make_prior: MakePrior, iteration: int, expected: float) -> None:
    prior = make_prior(input_noise=0.4, noise_half_life=10)
    state = prior.init(jax.random.key(0)).replace(control_factor=jnp.float32(2.0))  # the controller goes on with it
    assert float(prior.hyperparams(state, jnp.int32(iteration)).input_noise) == pytest.approx(expected, rel=1e-5)
    constant = make_prior(input_noise=0.4)
    assert float(constant.hyperparams(state, jnp.int32(iteration)).input_noise) == pytest.approx(0.8, rel=1e-5)


@pytest.mark.parametrize("b1", [0.0, 0.5, 0.9])
def test_adams_decay_rates_are_those_of_the_settings(make_prior: MakePrior, b1: float) -> None:
    prior = make_prior(adam_b1=b1, adam_b2=0.9)
    optimizer = shown(prior, jnp.ones((4, FEATURES)), replay.init(8, FEATURES)).after.opt_state
    for mu, nu in zip(jax.tree.leaves(optimizer.mu), jax.tree.leaves(optimizer.nu), strict=True):
        np.testing.assert_allclose(nu, 0.1 * (np.asarray(mu) / (1.0 - b1)) ** 2, rtol=1e-3, atol=1e-9)


# --- the controller and the running scores


@pytest.mark.parametrize("loss", ["lsgan", *slow(*(loss for loss in losses.LOSSES if loss != "lsgan"))])
def test_the_controller_weakens_a_sure_discriminator_whatever_the_loss(make_prior: MakePrior, loss: str) -> None:
    """The policy's motion is far from the clips, so that any discriminator tells them apart after a few steps."""
    prior = make_prior(loss=loss, reward=VALID[loss], update_steps=8, gp_weight=1.0)
    fresh = jnp.asarray(np.random.default_rng(0).normal(3.0, 0.5, (64, FEATURES)), jnp.float32)
    state, buffer, update = prior.init(jax.random.key(0)), replay.init(128, FEATURES), jax.jit(prior.update)
    for i in range(8):
        state, buffer, metrics = update(state, buffer, fresh, jnp.int32(i), jax.random.key(i))
    assert float(metrics["disc_acc"]) > 0.95
    assert float(metrics["disc_weakening"]) == float(state.control_factor) > 1.15
    assert float(metrics["disc_real_mean"]) > float(metrics["disc_fake_mean"])
    reward = {
        side: float(prior.style(state, prior.score(state, inputs), jnp.int32(8)).mean())
        for side, inputs in (("fake", fresh), ("real", prior.builder.of_reference(jax.random.key(9), 64, fresh)))
    }
    assert reward["real"] > reward["fake"] + 0.2


def test_a_critic_is_cut_at_the_running_mean_of_its_scores(make_prior: MakePrior) -> None:
    critic = make_prior(loss="wasserstein", reward="linear", gp_weight=10.0)
    scores = no_scores(0.0).replace(mean=jnp.float32(40.0))
    state = critic.init(jax.random.key(0)).replace(scores=scores)
    real, fake = jnp.array([41.0, 39.0]), jnp.array([39.5, 30.0, 20.0, 50.0])
    assert float(critic.accuracy(state, real, fake)) == pytest.approx(0.5 * (0.5 + 0.75))
    hinge = make_prior(loss="hinge", reward="linear")
    assert float(hinge.accuracy(state, real, fake)) == pytest.approx(0.5)


def test_running_scores_follow_the_metrics_of_the_update(make_prior: MakePrior) -> None:
    prior = make_prior(reward="linear")
    state, fresh = prior.init(jax.random.key(0)), jnp.ones((40, FEATURES))
    assert float(state.scores.mean) == 0.5
    after, _, metrics = prior.update(state, replay.init(64, FEATURES), fresh, jnp.int32(0), jax.random.key(0))
    metrics = {name: float(value) for name, value in metrics.items()}
    mean = 0.5 * (metrics["disc_real_mean"] + metrics["disc_fake_mean"])
    assert float(after.scores.mean) == pytest.approx(mean, rel=1e-4)
    spread = 0.5 * (metrics["disc_real_std"] ** 2 + metrics["disc_fake_std"] ** 2)
    between = 0.25 * (metrics["disc_real_mean"] - metrics["disc_fake_mean"]) ** 2
    assert float(after.scores.variance) == pytest.approx(spread + between, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.0, 0.25, 1.0]),
        ({"targets": (-1.0, 1.0, 1.0), "reward": "quadratic"}, [0.0, 1 - 0.75**2 / 4, 1 - 0.25]),
        ({"loss": "vanilla", "reward": "sigmoid"}, [1 / (1 + np.e), 1 / (1 + np.exp(-0.25)), 1 / (1 + np.exp(-2.0))]),
        ({"loss": "vanilla", "reward": "gail"}, np.log1p(np.exp([-1.0, 0.25, 2.0]))),
        ({"loss": "hinge", "reward": "softplus"}, np.log1p(np.exp([-1.0, 0.25, 2.0]))),
        ({"loss": "wasserstein", "reward": "linear"}, [-1.5, -0.875, 0.0]),
    ],
)
def test_style_is_the_reward_of_the_settings(make_prior: MakePrior, settings: dict, expected: list) -> None:
    prior = make_prior(**settings)
    scores = no_scores(0.0).replace(mean=jnp.float32(3.0), variance=jnp.float32(1.0))
    state = prior.init(jax.random.key(0)).replace(scores=scores)
    found = prior.style(state, jnp.array([-1.0, 0.25, 2.0]), jnp.int32(0))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("settings", "midpoint"), [({"targets": (0.0, 4.0, 1.0)}, 2.0), ({"loss": "hinge"}, 0.0)])
def test_first_scores_lie_at_the_midpoint_of_the_loss(make_prior: MakePrior, settings: dict, midpoint: float) -> None:
    prior = make_prior(**settings)
    state = prior.init(jax.random.key(0))
    scores = np.asarray(
        prior.score(state, prior.builder.of_reference(jax.random.key(0), 200, jnp.zeros((200, FEATURES))))
    )
    assert prior.midpoint == float(state.scores.mean) == midpoint
    assert scores.shape == (200,)
    assert abs(scores.mean() - midpoint) < 0.3 and np.abs(scores - midpoint).max() < 1.2


def test_scores_of_a_rollout_are_those_of_its_inputs(make_prior: MakePrior) -> None:
    prior = make_prior(trunk="patches", window=2)
    inputs = prior.inputs(outcome(prior.reference))
    state = prior.init(jax.random.key(0))
    np.testing.assert_allclose(prior.score_rollout(state, inputs), prior.score(state, inputs), atol=1e-5)


def test_clean_accuracy_is_that_of_conditions_of_the_rollout(make_prior: MakePrior) -> None:
    """A discriminator that follows the label alone can tell nothing."""
    prior = make_prior(condition="label")
    rollout = outcome(prior.reference, steps=8, robots=8)  # as many rows as a batch has
    rollout.label = jnp.asarray(np.random.default_rng(0).integers(0, 2, (8, 8)), jnp.int32)
    inputs, state = prior.inputs(rollout), prior.init(jax.random.key(0))
    kernel = jnp.zeros((prior.shape.width, 16)).at[-1].set(1.0)
    params = jax.tree.map(jnp.zeros_like, state.params)
    params["params"]["Dense_0"]["kernel"] = kernel
    params["params"]["Dense_1"]["kernel"] = params["params"]["Dense_1"]["kernel"] + 1.0
    params["params"]["Dense_2"]["kernel"] = params["params"]["Dense_2"]["kernel"] + 1.0
    state = state.replace(params=params)
    scores = prior.score_rollout(state, inputs)
    np.testing.assert_array_equal(np.asarray(scores) > 0.5, rollout.label == 1)
    clean = prior.clean_metrics(state, inputs, scores, jax.random.key(0))
    assert float(clean["disc_acc_clean"]) == pytest.approx(0.5, abs=1e-6)
    assert float(clean["disc_auc_clean"]) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("settings", [{}, {"window": 3}, {"feature_weights": {"joint_positions": 0.0}}])
def test_the_group_that_a_discriminator_goes_by_has_the_whole_share(make_prior: MakePrior, settings: dict) -> None:
    prior = make_prior(**settings)
    inputs, state = prior.inputs(outcome(prior.reference)), prior.init(jax.random.key(0))
    contact = prior.shape.features - 1  # of the newest frame; contacts come last
    column = (prior.shape.frames - 1) * prior.shape.features + contact
    kernel = jnp.zeros((prior.shape.width, 16)).at[column].set(1.0)
    params = jax.tree.map(jnp.zeros_like, state.params)
    params["params"]["Dense_0"]["kernel"] = kernel
    params["params"]["Dense_1"]["kernel"] = params["params"]["Dense_1"]["kernel"] + 1.0
    params["params"]["Dense_2"]["kernel"] = params["params"]["Dense_2"]["kernel"] + 1.0
    lifted = inputs.at[..., column].add(-3.0)
    state = state.replace(params=params)
    clean = prior.clean_metrics(state, lifted, prior.score_rollout(state, lifted), jax.random.key(0))
    groups = {name: float(share) for name, share in clean.items() if name.startswith("disc_by_")}
    assert groups.pop("disc_by_foot_contacts") == pytest.approx(1.0, abs=1e-5)
    assert list(groups.values()) == [0.0] * 5
    assert float(clean["disc_auc_clean"]) > 0.9


def test_what_the_reference_earns_is_the_reward_of_its_scores(make_prior: MakePrior) -> None:
    prior = make_prior()
    inputs, state, key = prior.inputs(outcome(prior.reference)), prior.init(jax.random.key(0)), jax.random.key(3)
    clean = prior.clean_metrics(state, inputs, prior.score_rollout(state, inputs), key)
    flat, size = inputs.reshape(-1, inputs.shape[-1]), prior.config.batch_size
    real = prior.builder.of_reference(key, size, flat[np.arange(size) * len(flat) // size])
    expected = np.clip(np.asarray(prior.score(state, real)), 0.0, 1.0).mean()
    assert float(clean["amp_reward_reference"]) == pytest.approx(expected, abs=1e-6)


def test_variety_is_of_the_motion_alone(make_prior: MakePrior) -> None:
    """What is asked for may change all the time while the robot does one thing."""
    prior = make_prior(condition="both")
    rollout = outcome(prior.reference, steps=10, robots=40)
    rollout.amp_window = jnp.broadcast_to(rollout.amp_window[:1, :1], rollout.amp_window.shape)
    metrics = prior.diversity(prior.inputs(rollout).reshape(-1, prior.shape.width))
    assert float(metrics["feature_diversity"]) == pytest.approx(0.0, abs=1e-5)
    assert float(metrics["mode_coverage"]) < 0.25
    reference = prior.reference
    everything = SimpleNamespace(
        amp_window=reference.windows, label=reference.gaits.of, command=jnp.zeros((len(reference.windows), 3))
    )
    metrics = prior.diversity(prior.inputs(everything))
    assert float(metrics["feature_diversity"]) == pytest.approx(1.0, abs=0.25)
    assert float(metrics["mode_coverage"]) > 0.9


def test_settings_known_only_while_it_runs_may_be_arrays(make_prior: MakePrior) -> None:
    """As a sweep has them: the step with traced numbers is the step with the numbers."""
    prior = make_prior(r1_gamma=2.0, discriminator_lr=3e-3)
    fresh, buffer = jnp.ones((4, FEATURES)), replay.init(8, FEATURES)
    state = prior.init(jax.random.key(0))

    @jax.jit
    def update(gamma: jax.Array, rate: jax.Array) -> DiscriminatorState:
        traced = copy.copy(prior)
        numbers = {"amp.r1_gamma": gamma, "amp.discriminator_lr": rate}
        traced.config = with_hyperparams(Config(amp=prior.config), numbers).amp
        return traced.update(state, buffer, fresh, jnp.int32(0), jax.random.key(0))[0]

    expected = prior.update(state, buffer, fresh, jnp.int32(0), jax.random.key(0))[0]
    found, other = update(2.0, 3e-3), update(40.0, 3e-3)
    np.testing.assert_allclose(flat_change(found, state), flat_change(expected, state), atol=1e-6)
    assert np.abs(flat_change(other, state) - flat_change(expected, state)).max() > 1e-4
