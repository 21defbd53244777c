"""The networks of the discriminator: by hand in NumPy, and what each of them can and cannot see."""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import slow

from playground_amp.config import AMPConfig
from playground_amp.discriminator.network import KERNEL, Head, InputShape, Layers, make_discriminator

SHAPE = InputShape(frames=4, features=5, condition=2, parts=((0, 2), (1,), (3, 4)))
TRUNKS = ["mlp", "convolution", "patches"]
Variables = dict


@functools.cache
def build(bias: float = 0.5, **settings: object) -> tuple[nn.Module, Variables]:
    """A small network and its first variables."""
    network = make_discriminator(AMPConfig(**{"hidden": (12, 8), "window": 4} | settings), SHAPE, bias)
    return network, network.init(jax.random.key(0), jnp.zeros((1, SHAPE.width)))


def inputs(count: int = 6, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, SHAPE.width)), jnp.float32)


def frames_of(x: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    """Frames [N, 4, 5] and condition [N, 2], taken apart without the network's help."""
    return np.asarray(x)[:, :20].reshape(-1, 4, 5), np.asarray(x)[:, 20:]


def with_frames(x: jax.Array, frames: np.ndarray) -> jax.Array:
    return x.at[:, :20].set(frames.reshape(len(x), 20))


def elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0)))


def dense(params: dict, x: np.ndarray) -> np.ndarray:
    return x @ np.asarray(params["kernel"], np.float64) + np.asarray(params["bias"], np.float64)


def head(params: dict, x: np.ndarray) -> np.ndarray:
    """Two hidden layers and a score [...]."""
    for i in (0, 1):
        x = elu(dense(params[f"Dense_{i}"], x))
    return dense(params["Dense_2"], x)[..., 0]


def test_an_input_is_frames_oldest_first_and_the_condition() -> None:
    x = jnp.arange(44.0).reshape(2, 22)
    frames, condition = SHAPE.split(x)
    assert SHAPE.width == 22
    assert (frames.shape, condition.shape) == ((2, 4, 5), (2, 2))
    np.testing.assert_array_equal(frames[1, 0], [22, 23, 24, 25, 26])
    np.testing.assert_array_equal(frames[0, 3], [15, 16, 17, 18, 19])
    np.testing.assert_array_equal(condition, [[20, 21], [42, 43]])
    plain = InputShape(frames=2, features=3, condition=0, parts=((0, 1, 2),))
    frames, condition = plain.split(jnp.zeros((7, 1, 6)))
    assert (frames.shape, condition.shape) == ((7, 1, 2, 3), (7, 1, 0))


def test_the_mlp_by_hand() -> None:
    network, variables = build()
    np.testing.assert_allclose(network.apply(variables, inputs()), head(variables["params"], inputs()), atol=1e-5)


def test_layer_norm_stands_between_layer_and_activation() -> None:
    network, variables = build(normalization="layer")
    params = jax.tree.map(lambda p: p + 0.1 * jnp.arange(p.size).reshape(p.shape) / p.size, variables["params"])
    x = np.asarray(inputs(), np.float64)
    for i in (0, 1):
        x = dense(params[f"Dense_{i}"], x)
        x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-6)
        x = elu(x * np.asarray(params[f"LayerNorm_{i}"]["scale"]) + np.asarray(params[f"LayerNorm_{i}"]["bias"]))
    np.testing.assert_allclose(
        network.apply({"params": params}, inputs()), dense(params["Dense_2"], x)[:, 0], atol=1e-5
    )


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("elu", elu),
        ("relu", lambda x: np.maximum(x, 0.0)),
        ("leaky_relu", lambda x: np.where(x > 0.0, x, 0.2 * x)),
    ],
)
def test_the_activation_is_the_one_that_is_named(activation: str, function: object) -> None:
    network, variables = build(activation=activation, hidden=(12,))
    params = variables["params"]
    expected = dense(params["Dense_1"], function(dense(params["Dense_0"], inputs())))[:, 0]
    np.testing.assert_allclose(network.apply(variables, inputs()), expected, atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 4])
def test_the_score_of_patches_is_the_mean_of_all_heads_over_all_times(length: int) -> None:
    network, variables = build(trunk="patches", patch_frames=length)
    frames, condition = frames_of(inputs())
    scores = []
    for number, part in enumerate(SHAPE.parts):
        runs = [frames[:, i : i + length, list(part)].reshape(6, -1) for i in range(4 - length + 1)]
        of_part = [
            head(variables["params"][f"Head_{number}"], np.concatenate([run, condition], axis=1)) for run in runs
        ]
        scores.append(np.mean(of_part, axis=0))
    np.testing.assert_allclose(network.apply(variables, inputs()), np.mean(scores, axis=0), atol=1e-5)
    assert set(variables["params"]) == {"Head_0", "Head_1", "Head_2"}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_change_of_one_body_part_changes_its_head_alone(number: int) -> None:
    """Whatever the other heads are made of, the score moves by as much."""
    network, variables = build(trunk="patches")
    frames, _ = frames_of(inputs())
    moved = frames.copy()
    moved[..., list(SHAPE.parts[number])] += 0.7
    others = {name: jax.tree.map(lambda p: p + 0.3, params) for name, params in variables["params"].items()}
    others[f"Head_{number}"] = variables["params"][f"Head_{number}"]

    def change(params: dict) -> np.ndarray:
        after = network.apply({"params": params}, with_frames(inputs(), moved))
        return np.asarray(after - network.apply({"params": params}, inputs()))

    np.testing.assert_allclose(change(others), change(variables["params"]), atol=1e-5)
    assert np.abs(change(variables["params"])).min() > 1e-4
    mine = variables["params"] | {f"Head_{number}": jax.tree.map(jnp.zeros_like, others[f"Head_{number}"])}
    np.testing.assert_allclose(change(mine), 0.0, atol=1e-7)


def test_patches_of_one_frame_see_no_order_in_time_and_longer_ones_do() -> None:
    frames, _ = frames_of(inputs())
    turned = with_frames(inputs(), frames[:, ::-1])
    for length, tells in ((1, False), (2, True)):
        network, variables = build(trunk="patches", patch_frames=length)
        off = np.abs(network.apply(variables, turned) - network.apply(variables, inputs())).max()
        assert (off > 1e-3) == tells


def test_the_convolution_by_hand() -> None:
    """Every frame and its neighbours, zeros beyond the ends, and the mean over time."""
    network, variables = build(trunk="convolution", hidden=(12, 8))
    params = variables["params"]
    frames, condition = frames_of(inputs())
    x = np.concatenate([frames, np.repeat(condition[:, None], 4, axis=1)], axis=-1).astype(np.float64)
    for i in (0, 1):
        kernel, bias = (np.asarray(params[f"Conv_{i}"][name], np.float64) for name in ("kernel", "bias"))
        assert kernel.shape[0] == KERNEL == 3
        padded = np.pad(x, ((0, 0), (1, 1), (0, 0)))
        x = elu(sum(padded[:, j : j + 4] @ kernel[j] for j in range(3)) + bias)
    expected = dense(params["Dense_0"], x.mean(axis=1))[:, 0]
    np.testing.assert_allclose(network.apply(variables, inputs()), expected, atol=1e-5)


def test_the_convolution_sees_order_in_time() -> None:
    network, variables = build(trunk="convolution")
    frames, _ = frames_of(inputs())
    score = np.asarray(network.apply(variables, inputs()))
    for order in ([3, 2, 1, 0], [1, 0, 2, 3], [0, 2, 1, 3]):
        turned = np.asarray(network.apply(variables, with_frames(inputs(), frames[:, order])))
        assert np.abs(turned - score).min() > 1e-5 and np.abs(turned - score).max() > 1e-3


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("column", [0, 1])
def test_every_trunk_is_told_what_was_asked_for(trunk: str, column: int) -> None:
    network, variables = build(trunk=trunk)
    asked = inputs().at[:, 20 + column].add(1.0)
    assert np.abs(network.apply(variables, asked) - network.apply(variables, inputs())).max() > 1e-3


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
def test_inputs_may_have_any_leading_axes(trunk: str, leading: tuple[int, ...]) -> None:
    network, variables = build(trunk=trunk)
    x = inputs(int(np.prod(leading)))
    expected = np.asarray(network.apply(variables, x)).reshape(leading)
    found = network.apply(variables, x.reshape(*leading, SHAPE.width))
    assert found.shape == leading
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("normalization", ["none", "layer", "spectral"])
@pytest.mark.parametrize("bias", [0.5, *slow(0.0, -3.0)])
def test_first_scores_lie_near_the_midpoint(trunk: str, normalization: str, bias: float) -> None:
    """Spectral norm takes the size of the output layer away; the scores then rise as fast as the inputs move."""
    network, variables = build(trunk=trunk, normalization=normalization, bias=bias)
    scores = np.asarray(network.apply(variables, inputs(300)))
    assert abs(scores.mean() - bias) < (0.5 if normalization == "spectral" else 0.15)
    assert np.abs(scores - bias).max() < (4.0 if normalization == "spectral" else 1.0)
    assert scores.std() > 1e-3


# --- dropout


def trained(network: nn.Module, variables: Variables, x: jax.Array, key: int) -> np.ndarray:
    return np.asarray(network.apply(variables, x, train=True, rngs={"dropout": jax.random.key(key)}))


@pytest.mark.parametrize("trunk", TRUNKS)
def test_dropout_differs_by_key_and_row_and_is_off_while_scoring(trunk: str) -> None:
    network, variables = build(trunk=trunk, dropout=0.4)
    x = jnp.tile(inputs(1), (50, 1))
    one = trained(network, variables, x, 0)
    np.testing.assert_array_equal(one, trained(network, variables, x, 0))
    assert np.abs(one - trained(network, variables, x, 1)).max() > 1e-4
    assert len(np.unique(one)) > 40
    scored = np.asarray(network.apply(variables, x))
    assert np.ptp(scored) < 1e-6
    without, _ = build(trunk=trunk, dropout=0.0)
    np.testing.assert_allclose(scored, without.apply(variables, x), atol=1e-6)
    np.testing.assert_allclose(trained(without, variables, x, 0), scored, atol=1e-6)


def test_dropout_leaves_out_its_share_and_keeps_the_mean() -> None:
    """One hidden layer of ones: the score is a count of units, scaled."""
    network, variables = build(hidden=(100,), dropout=0.25, activation="relu")
    params = jax.tree.map(jnp.zeros_like, variables["params"])  # another tree
    params["Dense_0"]["bias"] = params["Dense_0"]["bias"] + 1.0
    params["Dense_1"]["kernel"] = params["Dense_1"]["kernel"] + 0.01
    scores = trained(network, {"params": params}, inputs(500), 3)
    assert scores.mean() == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(scores * 75.0, np.round(scores * 75.0), atol=1e-3)  # 100 units, each 0.01 / 0.75
    assert np.std(scores * 75.0) == pytest.approx(np.sqrt(100 * 0.25 * 0.75), rel=0.15)


# --- the spread of the batch


def test_minibatch_deviation_tells_a_batch_of_copies_from_a_varied_one() -> None:
    """The very same input is scored by the company it is in."""
    network, variables = build(minibatch_deviation=True)
    varied = inputs(40)
    copies = jnp.tile(varied[:1], (40, 1))
    alone, among = network.apply(variables, copies)[0], network.apply(variables, varied)[0]
    assert abs(float(alone - among)) > 1e-3
    plain, plain_variables = build()
    np.testing.assert_allclose(
        plain.apply(plain_variables, copies)[0], plain.apply(plain_variables, varied)[0], atol=1e-6
    )


@pytest.mark.parametrize("trunk", ["mlp", "convolution"])
def test_minibatch_deviation_by_hand(trunk: str) -> None:
    """The mean over the last hidden units of their standard deviation over the batch, one more unit for all rows."""
    network, variables = build(minibatch_deviation=True, trunk=trunk)
    params = variables["params"]
    output = params["Dense_2" if trunk == "mlp" else "Dense_0"]
    assert output["kernel"].shape == (9, 1)
    without, _ = build(trunk=trunk)
    bare = jax.tree.map(lambda p: p, params)
    last = np.eye(8)

    def unit(i: int) -> np.ndarray:
        """Hidden unit i of the last layer, read through an output layer that looks at nothing else."""
        layer = {"kernel": jnp.asarray(last[:, i : i + 1], jnp.float32), "bias": jnp.zeros(1)}
        return np.asarray(without.apply({"params": bare | {"Dense_2" if trunk == "mlp" else "Dense_0": layer}}, x))

    x = inputs(30)
    hidden = np.stack([unit(i) for i in range(8)], axis=-1).astype(np.float64)
    deviation = hidden.std(axis=0).mean()
    expected = dense(output, np.concatenate([hidden, np.full((30, 1), deviation)], axis=1))[:, 0]
    np.testing.assert_allclose(network.apply(variables, x), expected, atol=1e-5)


def test_minibatch_deviation_of_copies_has_finite_gradients() -> None:
    network, variables = build(minibatch_deviation=True)
    x = jnp.tile(inputs(1), (5, 1))
    slopes = jax.grad(lambda v, x: network.apply(v, x).sum(), argnums=(0, 1))(variables, x)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))


# --- spectral norm


@pytest.fixture(scope="module")
def spectral() -> tuple[Variables, Variables]:
    """Variables of a network of spectral norm, before and after 80 steps on two clouds."""
    network, variables = build(normalization="spectral", activation="relu")
    real, fake = inputs(64, 1) + 0.5, inputs(64, 2) - 0.5

    @jax.jit
    def step(variables: Variables) -> Variables:
        def loss(params: dict) -> tuple[jax.Array, dict]:
            rest = {"batch_stats": variables["batch_stats"]}
            one, rest = network.apply({"params": params, **rest}, real, train=True, mutable=["batch_stats"])
            two, rest = network.apply({"params": params, **rest}, fake, train=True, mutable=["batch_stats"])
            return jax.nn.relu(1.0 - one).mean() + jax.nn.relu(1.0 + two).mean(), rest

        slope, rest = jax.grad(loss, has_aux=True)(variables["params"])
        return {"params": jax.tree.map(lambda p, g: p - 0.05 * g, variables["params"], slope), **rest}

    first = variables
    for _ in range(80):
        variables = step(variables)
    return first, variables


def weights_in_use(network: nn.Module, variables: Variables) -> list[np.ndarray]:
    """Of the three layers, found out from what goes into each and what comes out of it."""
    x = inputs(100)
    _, seen = network.apply(variables, x, capture_intermediates=True, mutable=["intermediates"])
    found = []
    for i in range(3):
        out = np.asarray(seen["intermediates"][f"Dense_{i}"]["__call__"][0], np.float64)
        bias = np.asarray(variables["params"][f"Dense_{i}"]["bias"], np.float64)
        found.append(np.linalg.lstsq(np.asarray(x, np.float64), out - bias, rcond=None)[0])
        x = np.maximum(out, 0.0)
    return found


@pytest.mark.slow
def test_the_largest_singular_value_of_all_weights_in_use_is_one(spectral: tuple) -> None:
    first, after = spectral
    network, _ = build(normalization="spectral", activation="relu")
    for weights in weights_in_use(network, after):
        assert np.linalg.norm(weights, 2) == pytest.approx(1.0, abs=0.02)
    moved = [
        np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (first["params"], after["params"])), strict=True)
    ]
    assert max(moved) > 0.02
    stretched = [np.linalg.norm(np.asarray(p["kernel"]), 2) for p in after["params"].values()]
    assert max(abs(value - 1.0) for value in stretched) > 0.2  # the weights themselves are of another size


@pytest.mark.slow
def test_a_network_of_spectral_norm_never_rises_faster_than_its_input_moves(spectral: tuple) -> None:
    _, after = spectral
    for activation in ("relu", "elu", "leaky_relu"):
        other, _ = build(normalization="spectral", activation=activation)
        slopes = jax.jit(jax.vmap(jax.grad(lambda x, other=other: other.apply(after, x))))(3.0 * inputs(400))
        assert np.linalg.norm(slopes, axis=1).max() < 1.02
        x, y = 3.0 * inputs(400, 1), 3.0 * inputs(400, 2)
        rise = np.abs(other.apply(after, x) - other.apply(after, y)) / np.linalg.norm(x - y, axis=1)
        assert rise.max() < 1.02
    assert np.linalg.norm(slopes, axis=1).max() > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("trunk", TRUNKS)
def test_the_estimate_of_spectral_norm_goes_on_in_training_only(trunk: str) -> None:
    network, variables = build(normalization="spectral", trunk=trunk)
    assert set(variables) == {"params", "batch_stats"}

    def vectors(statistics: dict) -> list[np.ndarray]:
        return [np.asarray(leaf) for leaf in jax.tree.leaves(statistics) if leaf.ndim == 2 and leaf.size > 1]

    before = vectors(variables["batch_stats"])
    assert len(before) == (6 if trunk == "patches" else 2)  # that of a layer of one output has nowhere to go
    _, kept = network.apply(variables, inputs(), mutable=["batch_stats"])
    assert all((a == b).all() for a, b in zip(vectors(kept["batch_stats"]), before, strict=True))
    _, moved = network.apply(variables, inputs(), train=True, mutable=["batch_stats"])
    assert all((a != b).any() for a, b in zip(vectors(moved["batch_stats"]), before, strict=True))


def test_nothing_else_has_statistics() -> None:
    for normalization in ("none", "layer"):
        assert set(build(normalization=normalization)[1]) == {"params"}


def test_a_head_alone_is_the_mlp() -> None:
    network, _ = build()
    assert isinstance(network, Head)
    assert network.layers == Layers((12, 8), output_bias=0.5)
