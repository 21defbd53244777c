"""Run by tests/test_many_devices.py in a process that has two devices: what is learned on both is what one learns."""

import jax
import jax.numpy as jnp
import numpy as np

from playground_amp.config import PPOConfig, ResolvedPPOConfig
from playground_amp.core import devices
from playground_amp.learning import ppo, replay

SAMPLES, SIZE = 16, 3


def policy(params: dict, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.tanh(observation @ params["w"]), params["log_std"]


def value(params: dict, privileged: jax.Array) -> jax.Array:
    return privileged @ params["v"]


def learn(key: jax.Array) -> tuple:
    """Robots stepped by a callback, an update of the policy, and a replay buffer; as an iteration lays them out."""
    observation = devices.shard(jax.random.normal(key, (SAMPLES, SIZE)))
    moved = devices.per_device(stepped)(observation)
    config = ResolvedPPOConfig(**vars(PPOConfig()) | {"batch_size": 4, "epochs": 2})
    params = ppo.ActorCriticParams(
        actor={"w": jnp.full((SIZE, 1), 0.1), "log_std": jnp.zeros(1)}, critic={"v": jnp.full(SIZE, 0.2)}
    )
    state = ppo.PolicyState(params=params, opt_state=ppo.make_optimizer(config).init(params))
    advantage = moved[:, 0]
    batch = ppo.Batch(
        observation=observation,
        privileged=moved,
        action=jax.random.normal(key, (SAMPLES, 1)),
        log_prob=jnp.full(SAMPLES, -1.5),
        mean=jnp.zeros((SAMPLES, 1)),
        advantage=(advantage - advantage.mean()) / advantage.std(),
        value_target=moved[:, 1],
    )
    state, metrics = ppo.update(state, devices.replicate(batch), key, policy, value, config)
    buffer = replay.add(replay.init(10, SIZE), devices.replicate(moved))
    return devices.replicate((state, metrics, buffer, key)), devices.shard(moved)


def stepped(rows: jax.Array) -> jax.Array:
    shape = jax.ShapeDtypeStruct(rows.shape, rows.dtype)
    return jax.pure_callback(lambda rows: seen.append(len(rows)) or 2.0 * np.asarray(rows), shape, rows)


seen: list[int] = []
assert jax.device_count() == 2
alone = jax.jit(learn)(jax.random.key(3))
assert set(seen) == {SAMPLES}
seen.clear()
with devices.on_all_devices():
    shared = jax.jit(learn)(jax.random.key(3))
    assert [shard.data.shape for shard in shared[1].addressable_shards] == [(SAMPLES // 2, SIZE)] * 2
    again = jax.jit(lambda tree: (devices.replicate(tree[0]), devices.shard(tree[1])))(
        devices.from_first(devices.local(devices.gather(shared)), shared)
    )
assert set(seen) == {SAMPLES // 2}, "each device steps its own robots"
for one, two, three in zip(*map(jax.tree.leaves, (alone, shared, again)), strict=True):
    if jax.dtypes.issubdtype(one.dtype, jax.dtypes.prng_key):
        one, two, three = map(jax.random.key_data, (one, two, three))
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(two, three)
    assert two.sharding == three.sharding
