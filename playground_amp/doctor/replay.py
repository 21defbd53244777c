"""An iteration in which a number became none, done again: where it began."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from playground_amp.amp import AMP, TrainState
from playground_amp.builder import make_amp, resolve_here
from playground_amp.config import build
from playground_amp.core.errors import listed
from playground_amp.core.types import Transition
from playground_amp.discriminator.motion_prior import Metrics
from playground_amp.runs.divergence import not_finite, read_about, read_state

PARTS = {  # of a TrainState: the beginning of an array's path -> what it is
    ".policy.params.actor": "the actor's weights",
    ".policy.params.critic": "the critic's weights",
    ".policy.opt_state": "the state of the policy's optimiser",
    ".statistics": "the running statistics of the observations",
    ".discriminator.opt_state": "the state of the discriminator's optimiser",
    ".discriminator": "the discriminator's weights",
    ".replay": "the replay buffer",
    ".env": "the environment",
    ".episodes": "the averages over episodes",
}
STAGES = (  # of an iteration, in order: what shows it, and what it is
    ("rollout.observation", "what the robots observe"),
    ("rollout.action", "the policy's actions"),
    ("rollout.outcome.task_reward", "the task's reward"),
    ("rollout", "the rollout"),
    ("disc", "the discriminator's update"),
    ("amp_reward", "the style reward"),
    ("value_loss", "the critic's update"),
    ("policy", "the policy's update"),
)


def explain(path: Path) -> list[str]:
    """Sentences on a dump of `runs.divergence`: what was not finite, before the iteration, in it and after it."""
    about = read_about(path)
    amp = make_amp(resolve_here(build(about["config"], str(path))))
    state = read_state(path, amp)
    sentences = [f"{path}: iteration {about['iteration']}: {about.get('said', 'something was not finite')}"]
    sentences += _rates(about)
    if before := not_finite(state):
        return [*sentences, f"it came from before: {_parts(before)} held numbers that are none when it began"]
    again, found = _replay(amp, state)
    if again:
        stages = [what for name, what in STAGES if any(wrong.startswith(name) for wrong in found)]
        first = f"first in {stages[0]}" if stages else "in the new state"
        after = f"; after it in {_parts(again)}" if not_only_metrics(again) else ""
        return [*sentences, f"done again, it happens again: {first} ({listed(found or again)}){after}"]
    after = about.get("after") or {}
    where = f"after it {_parts(after)} held numbers that are none, but " if after else ""
    return [
        *sentences,
        f"{where}all was finite before it, and done again here it gives finite numbers: the computation is not the "
        f"cause; look for another machine or version, or for faulty memory",
    ]


def _rates(about: Mapping[str, Any]) -> list[str]:
    metrics = about.get("metrics") or {}
    shown = [
        f"{name} {metrics[name]:.3g}"
        for name in ("learning_rate", "disc_learning_rate", "diverged_rate", "policy_kl")
        if isinstance(metrics.get(name), float)
    ]
    return [f"in it: {', '.join(shown)}"] if shown else []


def _replay(amp: AMP, state: TrainState) -> tuple[dict[str, int], list[str]]:
    """What is not finite after the iteration is done again, and names of what is not within it, in its order."""

    @jax.jit
    def run(state: TrainState) -> tuple[Transition, TrainState, Metrics]:
        collect_key = jax.random.split(state.key, 5)[1]  # as AMP.train_iteration takes it
        return amp.collect(state, collect_key)[1], *amp.train_iteration(state)

    rollout, after, metrics = run(state)
    within = [f"rollout{name}" for name in not_finite(rollout)]
    within += [name.strip("[']") for name in not_finite(metrics)]
    order = [name for name, _ in STAGES]
    within.sort(key=lambda name: next((i for i, stage in enumerate(order) if name.startswith(stage)), len(order)))
    return not_finite(after) | {name: 1 for name in within}, within


def not_only_metrics(found: Mapping[str, int]) -> bool:
    """Whether arrays of the state are among what is not finite."""
    return any(name.startswith(".") for name in found)


def _parts(found: Mapping[str, int]) -> str:
    """Parts of the state that hold what is not finite, in words."""
    named = {path: next((what for start, what in PARTS.items() if path.startswith(start)), path) for path in found}
    return listed(dict.fromkeys(name for path, name in named.items() if path.startswith(".")), most=9)
