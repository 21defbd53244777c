"""Adversarial motion priors for MuJoCo robots, in JAX (Peng et al. 2021, https://arxiv.org/abs/2104.02180)."""

__version__ = "0.1.0"
