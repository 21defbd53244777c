"""What evaluation computes of the reference clips: once for each reference, however often it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from playground_amp.amp import AMP
from playground_amp.motion.reference import ReferenceClips

T = TypeVar("T")


def once_per_reference(compute: Callable[[AMP], T]) -> Callable[[AMP], T]:
    """`compute` with a memory: a reference that it has seen gets the same answer, which is forgotten with its clips.

    `compute` may depend on the reference and on the robot that it was made for, and on nothing else; its answer must
    not hold on to the clips, or neither would ever be freed.
    """
    answers: WeakKeyDictionary[ReferenceClips, T] = WeakKeyDictionary()

    @wraps(compute)
    def remembered(amp: AMP) -> T:
        clips = amp.env.reference.clips
        if clips not in answers:
            answers[clips] = compute(amp)
        return answers[clips]

    return remembered
