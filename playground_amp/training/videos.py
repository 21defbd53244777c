"""Videos of the policy while it trains, for runs that ask for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import jax

from playground_amp.amp import AMP, Statistics, TrainState
from playground_amp.core.reporter import say
from playground_amp.evaluation.rollout import Recording, make_recorder

FILMED = 4  # episodes, of which one of the longest is shown


class TrainingVideos:
    """Films the mean policy of a run in `folder`; always from the same starts, so that one compares with the next."""

    def __init__(self, amp: AMP, folder: Path):
        self._amp, self._folder = amp, folder
        self._works = True

    @cached_property
    def _record(self) -> Callable[[dict, Statistics, jax.Array], Recording]:
        from playground_amp.evaluation.reporting.film import video_steps  # imported late, as rendering takes a while

        return make_recorder(self._amp, FILMED, steps=video_steps(self._amp))

    def film(self, state: TrainState) -> Path | None:
        """videos/iteration-N.mp4 of the policy of `state`; None, told once, where nothing can be drawn."""
        if not self._works:
            return None
        from playground_amp.evaluation.reporting.film import film

        key = jax.random.key(self._amp.config.ppo.seed + 1)
        recording = self._record(state.policy.params.actor, state.statistics, key)
        path = self._folder / "videos" / f"iteration-{int(state.iteration)}.mp4"
        try:
            film(path, self._amp, recording)
        except Exception as error:  # no OpenGL on this machine must not cost the training
            self._works = False
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            say(f"no video while training: {reason}; on Debian or Ubuntu install libegl1 and libgl1-mesa-dri")
            return None
        return path
