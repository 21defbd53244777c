"""Learning itself, on problems whose answer is known: tiny worlds in the place of the simulated robot.

After the probe environments of rejax (https://github.com/keraJLi/rejax): each world leaves one thing to be learned, so
the test that fails says what is broken. Nothing is simulated, and the algorithm is the whole of `AMP.train_iteration`.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from scipy import stats

from playground_amp.amp import AMP, REWARD_SCALE, TrainState
from playground_amp.config import EnvConfig, build, resolve
from playground_amp.core.types import Outcome
from playground_amp.discriminator.motion_prior import DiscriminatorState
from playground_amp.learning import replay
from playground_amp.learning.networks import normalize
from playground_amp.motion.command_index import make_index
from playground_amp.motion.features import Normalizer
from playground_amp.motion.reference import GaitLabels, Reference

# all that the algorithm asks of a robot: one joint, which a reflection turns the other way, and no pads
ROBOT = SimpleNamespace(
    joints=("joint",),
    num_joints=1,
    mirror_joints=((0,), (-1.0,)),
    pads={},
    pad_geoms=(),
    mirror_pads=(),
    root="root",
    model=SimpleNamespace(
        jnt_bodyid=(1,),
        body_parentid=(0, 0),
        joint=lambda name: SimpleNamespace(id=0),
        body=lambda name: SimpleNamespace(id=0),
    ),
)
FEATURES = 9  # of this robot; the joint's position is the first
OTHER_GROUPS = ("joint_velocities", "root_direction", "root_angular_velocity", "root_height", "foot_contacts")

SETTINGS = {
    "env": {"num_envs": 128},
    "ppo": {"rollout_length": 4, "learning_rate": 2e-3, "target_kl": 0.0},
    "networks": {"actor": [32], "critic": [32], "symmetric": False},
    "amp": {
        "style_weight": 0.0,
        "task_weight": 1.0,
        "hidden": [16, 16],
        "feature_weights": dict.fromkeys(OTHER_GROUPS, 0.0),
        "batch_size": 128,
        "replay_size": 1024,
        "control": "off",
    },
}


# --- worlds


class World(struct.PyTreeNode):
    """What a probe remembers, B of them side by side."""

    seen: jax.Array  # [B, O] by actor and critic
    steps: jax.Array  # [B] int32, since the reset
    key: jax.Array


class Move(struct.PyTreeNode):
    """What an action leads to."""

    seen: jax.Array  # [B, O] next
    reward: jax.Array  # [B] of the task
    fallen: jax.Array  # [B] bool
    cost: jax.Array | float = 0.0  # [B] of the action


class Probe:
    """Stands in the place of `Env`: the joint goes where the action says; a subclass says what comes of it.

    `gaits` are the joint's positions in each gait of the reference.
    """

    robot, num_actions, episode_length = ROBOT, 1, 1

    def __init__(self, *gaits: np.ndarray):
        self.reference = make_reference(*gaits or [np.zeros(1)])

    def start(self, key: jax.Array, count: int) -> jax.Array:
        """What is seen first [count, O]."""
        return jnp.zeros((count, 1))

    def move(self, seen: jax.Array, action: jax.Array) -> Move:
        """What comes of action [B] where `seen` [B, O] is seen; by itself nothing, and the episode ends."""
        return Move(seen=seen, reward=jnp.zeros(len(action)), fallen=jnp.ones(len(action), bool))

    def label(self, seen: jax.Array) -> jax.Array:
        """Gait asked for [B]."""
        return jnp.zeros(len(seen), jnp.int32)

    def with_hyperparams(self, config: EnvConfig) -> Probe:
        """Itself: no setting is about it."""
        return self

    def reset(self, key: jax.Array, num_envs: int) -> World:
        key, start_key = jax.random.split(key)
        return World(seen=self.start(start_key, num_envs), steps=jnp.zeros(num_envs, jnp.int32), key=key)

    def observe(self, world: World) -> tuple[jax.Array, jax.Array]:
        return world.seen, world.seen

    def mirror(self, observation: jax.Array) -> jax.Array:
        return -observation

    def step(self, world: World, action: jax.Array) -> tuple[World, Outcome]:
        move, zeros, steps = self.move(world.seen, action[:, 0]), jnp.zeros(len(action)), world.steps + 1
        truncated = (steps >= self.episode_length) & ~move.fallen
        outcome = Outcome(
            privileged=move.seen,
            amp_window=windows(action[:, 0]),
            task_reward=move.reward,
            cost=zeros + move.cost,
            terminated=move.fallen,
            truncated=truncated,
            diverged=jnp.zeros(len(action), bool),
            command=jnp.zeros((len(action), 3)),
            label=self.label(world.seen),
            velocity=jnp.zeros((len(action), 3)),
            mean_velocity=jnp.zeros((len(action), 3)),
            episode_length=steps,
            episode_return=zeros,
        )
        fresh, done = self.reset(world.key, len(action)), move.fallen | truncated
        seen = jnp.where(done[:, None], fresh.seen, move.seen)
        return World(seen=seen, steps=jnp.where(done, 0, steps), key=fresh.key), outcome


def windows(position: jax.Array) -> jax.Array:
    """Windows [N, 1, F] of one frame in which the joint stands at `position` [N]."""
    return jnp.pad(position[:, None, None], ((0, 0), (0, 0), (0, FEATURES - 1)))


def make_reference(*gaits: np.ndarray) -> Reference:
    """The joint's positions [N_i] in each gait, not scaled; without start states and clips, which are for `Env`."""
    counts, everything = [len(gait) for gait in gaits], np.concatenate(gaits)
    known = dict(
        windows=windows(jnp.asarray(everything, jnp.float32)),
        normalizer=Normalizer(mean=jnp.zeros(FEATURES), std=jnp.ones(FEATURES)),
        command=jnp.zeros((len(everything), 3)),
        gaits=GaitLabels(
            names=tuple(f"gait {i}" for i in range(len(gaits))),
            first=jnp.asarray(np.cumsum([0, *counts[:-1]]), jnp.int32),
            count=jnp.asarray(counts, jnp.int32),
            of=jnp.asarray(np.repeat(np.arange(len(gaits)), counts), jnp.int32),
            near=make_index(np.zeros((len(everything), 3)), np.repeat(np.arange(len(gaits)), counts), None),
            speed_range=jnp.zeros((len(gaits), 2)),
        ),
    )
    return Reference(**dict.fromkeys(Reference.__dataclass_fields__) | known)


def make_amp(probe: Probe, **changes: dict) -> AMP:
    """The algorithm in a world, with changes of SETTINGS by section."""
    settings = {name: content | changes.get(name, {}) for name, content in SETTINGS.items()}
    return AMP(resolve(build(settings, "the tests"), accelerator=False), probe)


@functools.partial(jax.jit, static_argnums=0)
def train(amp: AMP, state: TrainState, iterations: int) -> TrainState:
    """State so many iterations on."""
    return jax.lax.fori_loop(0, iterations, lambda _, state: amp.train_iteration(state)[0], state)


def actions(amp: AMP, state: TrainState, *seen: float) -> np.ndarray:
    """Mean action [N] where each of the N numbers is seen."""
    return np.asarray(amp.policy(state.policy.params.actor, state.statistics, jnp.array(seen)[:, None])[0][:, 0])


def standard_error(amp: AMP) -> float:
    """How surely one rollout tells the best action b, where the reward falls with (a - b)^2.

    Of a sample a = m + s z the normalised advantage is (1 - z^2 - 2 (m - b) z / s) / sqrt(2), and the mean's gradient
    that times z / s: its expectation is sqrt(2) (b - m) / s^2, its deviation sqrt(5) / s at b. The N samples of a
    rollout tell no difference m - b below s sqrt(5 / (2 N)); s is the first one, and shrinks.
    """
    return float(np.exp(amp.config.networks.initial_log_std) * np.sqrt(2.5 / amp.config.steps_per_iteration))


# --- the policy


class OneStep(Probe):
    """An episode of one step; the task likes one action best, and every action has its cost."""

    def move(self, seen: jax.Array, action: jax.Array) -> Move:
        return super().move(seen, action).replace(reward=1.0 - (action - 1.6) ** 2, cost=0.5 * action**2)


def test_the_policy_finds_the_best_action_of_one_step() -> None:
    """0.5 (1 - (a - 1.6)^2) - 0.5 a^2 is highest at 0.8."""
    amp = make_amp(OneStep(), amp={"task_weight": 0.5})
    state = train(amp, amp.init(jax.random.key(0)), 60)
    assert actions(amp, state, 0.0)[0] == pytest.approx(0.8, abs=2.0 * standard_error(amp))


class Command(Probe):
    """The action should be the command, between 0 and 1; it is seen in a unit that asks for the normaliser."""

    unit = 50.0

    def start(self, key: jax.Array, count: int) -> jax.Array:
        return self.unit * jax.random.uniform(key, (count, 1))

    def move(self, seen: jax.Array, action: jax.Array) -> Move:
        return super().move(seen, action).replace(reward=1.0 - (action - seen[:, 0] / self.unit) ** 2)


@pytest.mark.slow
def test_the_policy_learns_to_do_as_it_is_told() -> None:
    """And, being symmetric, it knows the commands below 0 by those above, though it was never told one.

    The answer is a straight line through 0, of which commands c that lie even in 0..1 tell sqrt(3 c^2) errors at c.
    """
    amp = make_amp(Command(), networks={"symmetric": True})
    state = train(amp, amp.init(jax.random.key(0)), 60)
    told = np.array([-0.8, -0.4, 0.4, 0.8])
    band = 2.0 * standard_error(amp) * np.sqrt(3.0 * told**2)
    assert (np.abs(actions(amp, state, *Command.unit * told) - told) < band).all()


# --- the critic


class TwoChains(Probe):
    """States A B of a chain that goes round until a time limit, and C D of one that ends by a fall; all but B pay 1.

    A time limit comes after the third step: from A, with B the true next state and A or C the first of what follows.
    """

    episode_length = 3

    def start(self, key: jax.Array, count: int) -> jax.Array:
        return jax.nn.one_hot(2 * (jnp.arange(count) % 2), 4)

    def move(self, seen: jax.Array, action: jax.Array) -> Move:
        state = jnp.argmax(seen, axis=-1)
        following, reward = jnp.array([1, 0, 3, 2])[state], jnp.array([1.0, 0.0, 1.0, 1.0])[state]
        return Move(seen=jax.nn.one_hot(following, 4), reward=reward, fallen=state == 3)


def test_the_critic_learns_the_discounted_values_of_two_chains() -> None:
    """A time limit changes no value and a fall ends it: A = 1 + g B and B = g A, but C = 1 + g D and D = 1.

    Nothing is random, so the critic has to find the values themselves. The nearest mistakes are off by 0.3 and more.
    """
    gamma = 0.5
    amp = make_amp(TwoChains(), ppo={"gamma": gamma, "rollout_length": 8}, env={"num_envs": 32})
    state = train(amp, amp.init(jax.random.key(0)), 60)
    seen = normalize(jnp.eye(4), state.statistics.privileged)
    around = 1.0 / (1.0 - gamma**2)
    expected = REWARD_SCALE * (1.0 - gamma) * np.array([around, gamma * around, 1.0 + gamma, 1.0])
    np.testing.assert_allclose(amp.critic.apply(state.policy.params.critic, seen), expected, atol=0.01)


# --- the discriminator


MODES = -1.5, 1.5  # of the reference
NOISE = 0.7


def density(where: np.ndarray, shares: dict[float, float]) -> np.ndarray:
    """Of samples that lie at places in these shares, with the discriminator's noise on them."""
    return sum(share * stats.norm.pdf(where, place, NOISE) for place, share in shares.items())


def discriminate(amp: AMP, here: jax.Array, before: jax.Array) -> DiscriminatorState:
    """What is learned of a policy that stays `here` [N, 1] and was `before` [M, 1]: 10 updates in one computation.

    The learning rate falls from one to the next, for the noise of the batches to die away.
    """

    def update(state: DiscriminatorState, rate_and_key: tuple) -> tuple[DiscriminatorState, None]:
        rate, key = rate_and_key
        prior = amp.with_hyperparams({"amp.discriminator_lr": rate}).prior
        memory = replay.add(replay.init(len(here) + len(before), 1), before)
        return prior.update(state, memory, here, jnp.int32(0), key)[0], None

    rates, keys = jnp.geomspace(2e-2, 2e-4, 10), jax.random.split(jax.random.key(1), 10)
    first = amp.prior.init(jax.random.key(0))
    return jax.jit(lambda state: jax.lax.scan(update, state, (rates, keys))[0])(first)


def test_the_discriminator_finds_the_share_of_the_reference_among_all_samples() -> None:
    """D = p_real / (p_real + p_fake) is the optimum of least squares with targets 1 and 0 (Mao et al. 2017).

    The reference has two modes. The policy is at one of them, and the replay, which gives half of its samples,
    remembers a quarter of them from between the modes. The noise makes Gaussians of these places, on both sides.
    The band is two standard errors of a share that 256 labels tell.
    """
    settings = {"input_noise": NOISE, "r1_gamma": 0.0, "update_steps": 120, "batch_size": 256}
    amp = make_amp(Probe(np.array(MODES)), amp=settings)
    state = discriminate(amp, here=jnp.full((300, 1), MODES[1]), before=jnp.zeros((100, 1)))
    where = np.linspace(*MODES, 5)
    real = density(where, {MODES[0]: 0.5, MODES[1]: 0.5})
    fake = density(where, {MODES[1]: 0.5 + 0.5 * 3 / 4, 0.0: 0.5 / 4})
    scores = amp.prior.score(state, jnp.asarray(where, jnp.float32)[:, None])
    np.testing.assert_allclose(scores, real / (real + fake), atol=2 * 0.5 / np.sqrt(256))


# --- style


SPREAD = 0.3  # of each mode


class Style(Probe):
    """Each of two gaits has a mode of its own; a policy that is asked for one sees -1 or 1, and starts between them."""

    def __init__(self) -> None:
        around = SPREAD * stats.norm.ppf((np.arange(200) + 0.5) / 200)
        super().__init__(*(mode + around for mode in MODES))

    def start(self, key: jax.Array, count: int) -> jax.Array:
        return jax.random.rademacher(key, (count, 1), jnp.float32)

    def label(self, seen: jax.Array) -> jax.Array:
        return (seen[:, 0] > 0).astype(jnp.int32)


@pytest.fixture(scope="module")
def style() -> AMP:
    changes = {"style_weight": 1.0, "condition": "label", "discriminator_lr": 1e-2, "update_steps": 16}
    return make_amp(Style(), amp=changes)


@pytest.fixture(scope="module")
def on_its_way(style: AMP) -> TrainState:
    """The discriminator knows both modes already, and the policy is still between them."""
    return train(style, style.init(jax.random.key(0)), 4)


@pytest.mark.slow
def test_style_alone_takes_the_policy_to_the_mode_of_each_gait(style: AMP, on_its_way: TrainState) -> None:
    """Policy and discriminator circle around the equilibrium, so it is the average of the way that lies there."""
    state, way = train(style, on_its_way, 26), []
    for _ in range(30):
        state = train(style, state, 1)
        way.append(actions(style, state, -1.0, 1.0))
    assert np.mean(way, axis=0) == pytest.approx(np.array(MODES), abs=0.5 * SPREAD)


def reversed_scores(discriminator: DiscriminatorState) -> DiscriminatorState:
    """1 - D in the place of D."""
    layers = dict(discriminator.params["params"])
    name = max(layers)
    layers[name] = {"kernel": -layers[name]["kernel"], "bias": 1.0 - layers[name]["bias"]}
    return discriminator.replace(params={"params": layers})


def test_the_policy_follows_the_discriminator_that_the_iteration_began_with(style: AMP, on_its_way: TrainState) -> None:
    """One that has it the wrong way round learns better within the iteration, yet still leads the policy astray."""
    misled = on_its_way.replace(discriminator=reversed_scores(on_its_way.discriminator))
    before = actions(style, on_its_way, *np.sign(MODES))
    right, wrong = (actions(style, train(style, state, 1), *np.sign(MODES)) for state in (on_its_way, misled))
    assert (np.sign(MODES) * (right - before) > 0).all()
    assert (np.sign(MODES) * (wrong - before) < 0).all()
