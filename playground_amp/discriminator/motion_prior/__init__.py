"""The motion prior: what the discriminator sees of a rollout, the style reward it gives, and how it learns."""

from playground_amp.discriminator.motion_prior.control import EffectiveHyperparams
from playground_amp.discriminator.motion_prior.inputs import SPEED_UNIT, InputBuilder
from playground_amp.discriminator.motion_prior.prior import DiscriminatorState, Metrics, MotionPrior

__all__ = ["SPEED_UNIT", "DiscriminatorState", "EffectiveHyperparams", "InputBuilder", "Metrics", "MotionPrior"]
