"""The motion prior: what the discriminator sees of a rollout, the style reward it gives, and how it learns."""

from playground_amp.discriminator.motion_prior.control import EffectiveHyperparams
from playground_amp.discriminator.motion_prior.inputs import InputBuilder
from playground_amp.discriminator.motion_prior.prior import DiscriminatorState, Metrics, MotionPrior

__all__ = ["DiscriminatorState", "EffectiveHyperparams", "InputBuilder", "Metrics", "MotionPrior"]
