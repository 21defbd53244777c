"""Commands any way: what a motion answers, rows of the reference near a command, and what robots are asked for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from playground_amp.config import CommandConfig
from playground_amp.core.commands import MIRROR, UNIT, in_words, mirrored
from playground_amp.envs.task import NOISE, sample_commands
from playground_amp.motion.clip_commands import STRIDE, motion_commands
from playground_amp.motion.command_index import LEAST, NEAR, SCALE, CommandIndex, make_index
from playground_amp.robots import Robot

DT = 0.02
FRAMES = 200
TIME = DT * np.arange(FRAMES)
HALF = round(0.5 * STRIDE / DT)  # frames
INSIDE = slice(HALF, FRAMES - HALF)
DRAWS = 20_000


def motion(robot: Robot, way: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """A root at `way` [N, 2] m that faces `heading` [N] rad, over legs that stand still: [N, nq]."""
    qpos = np.tile(robot.home_qpos, (len(way), 1))
    qpos[:, :2] = way
    qpos[:, 3:7] = Rotation.from_euler("z", heading[:, None]).as_quat(scalar_first=True)
    return qpos


def straight(robot: Robot, ahead: float, left: float, heading: float = 0.0) -> np.ndarray:
    """A walk at constant velocity, m/s, in the direction that it faces, rad."""
    c, s = np.cos(heading), np.sin(heading)
    velocity = np.array([c * ahead - s * left, s * ahead + c * left])
    return motion(robot, TIME[:, None] * velocity, np.full(FRAMES, heading))


def arc(robot: Robot, radius: float, turn: float) -> np.ndarray:
    """Along a circle of `radius` m, to the left for a `turn` above 0, rad/s."""
    angle = turn * TIME
    side = np.sign(turn)
    way = radius * np.stack([np.sin(np.abs(angle)), side * (1.0 - np.cos(angle))], axis=1)
    return motion(robot, way, angle)


# --- what a motion answers


@pytest.mark.parametrize(("ahead", "left"), [(0.6, 0.0), (-0.4, 0.0), (0.0, 0.3), (0.0, -0.3), (0.3, 0.2), (0.0, 0.0)])
@pytest.mark.parametrize("heading", [0.0, 2.0, np.pi])
def test_a_straight_walk_answers_its_velocity_whichever_way_it_faces(
    robot: Robot, ahead: float, left: float, heading: float
) -> None:
    expected = np.broadcast_to([ahead, left, 0.0], (FRAMES, 3))
    np.testing.assert_allclose(motion_commands(straight(robot, ahead, left, heading), DT), expected, atol=1e-5)


@pytest.mark.parametrize("turn", [0.8, -0.8, 2.0])
def test_an_arc_answers_the_chord_of_its_circle(robot: Robot, turn: float) -> None:
    """Over 0.8 s an arc of radius r gets 2 r sin(0.4 w) ahead, less than its length 0.8 r w; nothing to the side."""
    found = motion_commands(arc(robot, 0.5, turn), DT)[INSIDE]
    chord = 2.0 * 0.5 * np.sin(0.5 * abs(turn) * STRIDE) / STRIDE
    edge = 3 * round(0.2 / DT)  # frames at the ends in which the heading is smoothed with nothing beyond
    np.testing.assert_allclose(
        found[edge:-edge], np.broadcast_to([chord, 0.0, turn], found[edge:-edge].shape), atol=2e-3
    )
    assert np.abs(found[:, 1]).max() < 0.05


def test_turning_on_the_spot_answers_the_turn_also_past_half_a_circle(robot: Robot) -> None:
    """Two and a half times round: the heading passes pi and goes on."""
    found = motion_commands(motion(robot, np.zeros((FRAMES, 2)), 4.0 * TIME), DT)
    middle = found[FRAMES // 2]
    np.testing.assert_allclose(middle, [0.0, 0.0, 4.0], atol=1e-3)
    assert np.abs(found[:, :2]).max() < 1e-5 and found[:, 2].min() > 3.0


def test_the_sway_of_the_pelvis_is_no_turning(robot: Robot) -> None:
    """A walk at 0.6 m/s whose pelvis turns 10 degrees to and fro and 2 cm aside with strides of 0.8 s."""
    phase = 2.0 * np.pi * TIME / STRIDE
    qpos = motion(robot, np.stack([0.6 * TIME, 0.02 * np.sin(phase)], axis=1), 0.17 * np.cos(phase))
    qpos[:, 3:7] = (
        Rotation.from_quat(qpos[:, 3:7], scalar_first=True) * Rotation.from_euler("y", 0.1 * np.sin(phase)[:, None])
    ).as_quat(scalar_first=True)
    found = motion_commands(qpos, DT)[INSIDE]
    np.testing.assert_allclose(found[:, 0], 0.6, atol=0.01)
    assert np.abs(found[:, 1]).max() < 0.03, "at most what a heading seen over a stride is off by"
    assert np.abs(found[:, 2]).max() < 0.15, "its turning is up to 1.3 rad/s at a moment"


def test_both_ends_have_what_the_first_and_last_whole_stride_have(robot: Robot) -> None:
    """A root that speeds up at 0.5 m/s^2; and a motion shorter than a stride has one command."""
    qpos = motion(robot, np.stack([0.25 * TIME**2, 0.0 * TIME], axis=1), np.zeros(FRAMES))
    found = motion_commands(qpos, DT)[:, 0]
    np.testing.assert_allclose(found, 0.5 * np.clip(TIME, TIME[HALF], TIME[-1 - HALF]), atol=1e-5)
    short = motion_commands(qpos[:11], DT)
    np.testing.assert_allclose(short, np.broadcast_to([0.05, 0.0, 0.0], (11, 3)), atol=1e-5)
    assert motion_commands(qpos[:3], DT).shape == (3, 3) and np.isfinite(motion_commands(qpos[:3], DT)).all()


@pytest.mark.parametrize("angle", [1.0, -2.5])
def test_the_command_is_the_same_in_a_turned_world(robot: Robot, walk: np.ndarray, angle: float) -> None:
    for qpos in (walk, arc(robot, 0.5, 0.8)):
        turned, world = qpos.copy(), Rotation.from_euler("z", angle)
        turned[:, :3] = world.apply(qpos[:, :3]) + np.array([3.0, -2.0, 0.0])
        turned[:, 3:7] = (world * Rotation.from_quat(qpos[:, 3:7], scalar_first=True)).as_quat(scalar_first=True)
        np.testing.assert_allclose(motion_commands(turned, DT), motion_commands(qpos, DT), atol=1e-5)


def test_the_reflected_motion_answers_the_reflected_command(robot: Robot, walk: np.ndarray) -> None:
    for qpos in (walk, arc(robot, 0.5, 0.8), straight(robot, 0.3, 0.2)):
        found = motion_commands(robot.mirror_qpos(qpos), DT)
        np.testing.assert_allclose(found, motion_commands(qpos, DT) * MIRROR, atol=1e-5)
        np.testing.assert_allclose(found, mirrored(jnp.asarray(motion_commands(qpos, DT))), atol=1e-5)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((0.6, 0.0, 0.0), "0.60 m/s"),
        ((0.6, 0.2, -0.3), "0.60 m/s, 0.20 m/s to the left, turning -0.30 rad/s"),
        ((-0.4, -0.2, 0.0), "-0.40 m/s, 0.20 m/s to the right"),
        ((0.0, 0.0, 0.5), "turning +0.50 rad/s"),
        ((0.0, 0.0, 0.0), "standing"),
    ],
)
def test_a_command_in_words(command: tuple, words: str) -> None:
    assert in_words(np.array(command)) == words


# --- rows near a command


@pytest.fixture(scope="module")
def commands() -> np.ndarray:
    """A dense crowd that walks straight ahead, and a thin one that goes anywhere. [2000, 3]"""
    rng = np.random.default_rng(0)
    crowd = rng.normal([0.6, 0.0, 0.0], [0.02, 0.02, 0.05], (1500, 3))
    return np.concatenate([crowd, rng.uniform([-0.5, -0.4, -1.0], [1.0, 0.4, 1.0], (500, 3))]).astype(np.float32)


@pytest.fixture(scope="module")
def index(commands: np.ndarray) -> CommandIndex:
    return make_index(commands, np.zeros(len(commands), int), None)


def drawn(index: CommandIndex, command: np.ndarray, label: int = 0, count: int = DRAWS) -> np.ndarray:
    """Rows [count] for one command [3], or one for each of several [count, 3]."""
    wanted = jnp.broadcast_to(jnp.asarray(command, jnp.float32), (count, 3))
    return np.asarray(index.sample(jax.random.key(0), jnp.full(count, label, jnp.int32), wanted))


def test_rows_are_as_near_as_the_commands_are_dense(index: CommandIndex, commands: np.ndarray) -> None:
    """In the crowd as near as a cell is wide; elsewhere none is much further than the nearest ones."""
    reach = max(NEAR, index.size) + 0.5 * np.sqrt(3.0) * index.size
    for command in ([0.6, 0.0, 0.0], [0.62, 0.01, 0.04]):
        rows = drawn(index, np.array(command))
        assert np.linalg.norm((commands[rows] - command) / SCALE, axis=1).max() <= reach
        assert len(np.unique(rows)) > LEAST
    for command in ([-0.3, 0.2, 0.5], [0.2, -0.3, -0.8]):
        away = np.linalg.norm((commands - command) / SCALE, axis=1)
        rows = drawn(index, np.array(command))
        assert away[rows].max() <= away.min() + 1.0 + np.sqrt(3.0) * index.size


def test_every_row_is_drawn_for_some_command(index: CommandIndex, commands: np.ndarray) -> None:
    """As many commands as rows and more, each that of a row: the crowd hides nobody."""
    wanted = np.tile(commands, (40, 1))
    assert len(np.unique(drawn(index, wanted, count=len(wanted)))) == len(commands)


def test_a_command_beyond_all_is_answered_by_the_nearest(index: CommandIndex, commands: np.ndarray) -> None:
    for axis, value, side in ((0, 9.0, 1), (0, -9.0, -1), (1, 5.0, 1), (2, -20.0, -1)):
        command = np.array([0.25, 0.0, 0.0])
        command[axis] = value
        found = commands[drawn(index, command), axis]
        extreme = (side * commands[:, axis]).max()
        assert (side * found).mean() > extreme - 1.5 * SCALE[axis] - index.size * SCALE[axis]


def test_rows_are_drawn_by_weight(commands: np.ndarray) -> None:
    """Every third row of the crowd weighs 4, the others 1: 2/3 of the draws; alike within each kind."""
    weight = np.where(np.arange(len(commands)) % 3 == 0, 4.0, 1.0)
    label = np.zeros(len(commands), int)
    rows = drawn(make_index(commands, label, weight), np.array([0.6, 0.0, 0.0]), count=200_000)
    near = np.unique(rows)
    expected = weight[near].sum()
    counts = np.bincount(rows, minlength=len(commands))[near]
    statistic = ((counts - 200_000 * weight[near] / expected) ** 2 / (200_000 * weight[near] / expected)).sum()
    assert abs(statistic - len(near) + 1) < 5.0 * np.sqrt(2.0 * len(near))
    plain = drawn(make_index(commands, label, None), np.array([0.6, 0.0, 0.0]), count=200_000)
    np.testing.assert_array_equal(np.unique(plain), near)


def test_labels_keep_apart_each_with_its_own_nearest(commands: np.ndarray) -> None:
    """The same commands under three labels, the last of a single row."""
    label = np.repeat([0, 1, 2], [1000, 999, 1])
    index = make_index(commands, label, None)
    for one in (0, 1, 2):
        for command in ([0.6, 0.0, 0.0], [-0.3, 0.2, 0.5], [9.0, 9.0, 9.0]):
            assert set(label[drawn(index, np.array(command), one)]) == {one}
    both = jnp.arange(DRAWS) % 2
    rows = np.asarray(index.sample(jax.random.key(1), both, jnp.broadcast_to(jnp.array([0.6, 0, 0]), (DRAWS, 3))))
    np.testing.assert_array_equal(label[rows], both)


def test_a_reference_that_does_one_thing_has_one_list() -> None:
    index = make_index(np.full((10, 3), 0.5, np.float32), np.zeros(10, int), None)
    assert set(drawn(index, np.array([-3.0, 0.0, 1.0]))) == set(range(10))


# --- what robots are asked for

Draw = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def draw(commands: np.ndarray) -> Draw:
    """Commands [DRAWS, 3] under settings, beside a reference of which the first row alone is ever drawn."""
    shown = jnp.asarray(commands).at[0].set(jnp.array([0.6, 0.1, -0.4]))
    reference = SimpleNamespace(command=shown, sample=lambda key, count: jnp.zeros(count, jnp.int32))

    def make(count: int = DRAWS, **settings: object) -> np.ndarray:
        config = CommandConfig(**{"forward": (-0.2, 1.0), "clip_share": 0.0} | settings)
        return np.asarray(sample_commands(jax.random.key(0), count, config, reference))

    return make


def test_by_default_commands_fill_the_range_of_speeds_ahead(draw: Draw) -> None:
    found = draw()
    np.testing.assert_array_equal(found[:, 1:], 0.0)
    counts = np.histogram(found[:, 0], 10, (-0.2, 1.0))[0]
    assert counts.sum() == DRAWS and np.abs(counts - DRAWS / 10).max() < 5.0 * np.sqrt(DRAWS / 10)


def test_commands_fill_all_three_ranges_one_as_the_other(draw: Draw) -> None:
    low, high = np.array([[-0.2, -0.3, -1.0], [1.0, 0.1, 2.0]])
    share = (draw(sideways=(-0.3, 0.1), turn=(-1.0, 2.0)) - low) / (high - low)
    for column in share.T:
        counts = np.histogram(column, 10, (0.0, 1.0))[0]
        assert counts.sum() == DRAWS and np.abs(counts - DRAWS / 10).max() < 5.0 * np.sqrt(DRAWS / 10)
    assert np.abs(np.corrcoef(share.T)[np.triu_indices(3, 1)]).max() < 0.03


def test_a_share_of_the_commands_is_to_stand(draw: Draw) -> None:
    found = draw(sideways=(-0.3, 0.1), turn=(-1.0, 2.0), stand_share=0.2)
    standing = (found == 0.0).all(axis=1)
    assert standing.mean() == pytest.approx(0.2, abs=0.015)
    assert (found[~standing] != 0.0).all()
    assert (draw(stand_share=1.0) == 0.0).all()


def test_a_share_of_the_others_is_what_the_clips_do_and_noise(draw: Draw) -> None:
    """The one row shows (0.6, 0.1, -0.4), the noise has a standard deviation of (0.05, 0.05, 0.1)."""
    found = draw(sideways=(-0.5, 0.5), turn=(-1.5, 1.5), clip_share=1.0)
    np.testing.assert_allclose(NOISE * UNIT, [0.05, 0.05, 0.1], rtol=1e-6)
    np.testing.assert_allclose(found.mean(axis=0), [0.6, 0.1, -0.4], atol=5e-3)
    np.testing.assert_allclose(found.std(axis=0), [0.05, 0.05, 0.1], rtol=0.05)
    half = draw(sideways=(-0.5, 0.5), turn=(-1.5, 1.5), clip_share=0.5, stand_share=0.2)
    near = (np.abs(half - [0.6, 0.1, -0.4]) < 5.0 * NOISE * UNIT).all(axis=1)
    anywhere = 0.5 * 0.5 * 1.0 / (1.2 * 1.0 * 3.0)  # of a box of 1.2 by 1 by 3, so much is as near
    assert near.mean() == pytest.approx(0.8 * (0.5 + 0.5 * anywhere), abs=0.015)


def test_what_the_clips_do_is_cut_to_the_ranges(draw: Draw) -> None:
    """They turn to the right at 0.4 rad/s where at most 0.1 is asked for, and go aside where nobody is asked to."""
    found = draw(forward=(0.0, 0.5), turn=(-0.1, 1.0), clip_share=1.0)
    np.testing.assert_array_equal(found[:, 1], 0.0)
    assert found[:, 0].max() == 0.5 and (found[:, 0] == 0.5).mean() > 0.9
    assert found[:, 2].min() == np.float32(-0.1) and (found[:, 2] == np.float32(-0.1)).mean() > 0.9


def test_the_same_key_asks_for_the_same_and_settings_may_be_traced(draw: Draw, commands: np.ndarray) -> None:
    """As in a sweep: shares and ranges that are arrays are taken as they are."""
    settings = {"sideways": (-0.3, 0.1), "turn": (-1.0, 2.0), "stand_share": 0.2, "clip_share": 0.5}
    reference = SimpleNamespace(
        command=jnp.asarray(commands).at[0].set(jnp.array([0.6, 0.1, -0.4])),
        sample=lambda key, count: jnp.zeros(count, jnp.int32),
    )

    @jax.jit
    def traced(numbers: dict) -> jax.Array:
        config = SimpleNamespace(forward=(-0.2, 1.0), **numbers)
        return sample_commands(jax.random.key(0), 500, config, reference)

    found = traced({name: jnp.asarray(value) for name, value in settings.items()})
    np.testing.assert_allclose(found, draw(500, **settings), atol=1e-6)
