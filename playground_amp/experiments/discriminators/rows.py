"""The rows of the comparison: what each changes of the default configuration."""

from __future__ import annotations

from collections.abc import Sequence

from playground_amp.core.errors import InputError, nearest

NOISE_OFF = ["amp.input_noise=0", "amp.control=off"]
ROWS: dict[str, list[str]] = {  # what is changed of the default configuration
    "default": [],
    "preset review": ["amp.preset=review"],
    "preset peng2021": ["amp.preset=peng2021"],
    "preset isaacgym": ["amp.preset=isaacgym"],
    "preset wgan-gp": ["amp.preset=wgan-gp"],
    "preset hinge-spectral": ["amp.preset=hinge-spectral"],
    "preset nonsaturating-r1": ["amp.preset=nonsaturating-r1"],
    "preset cautious": ["amp.preset=cautious"],
    "no replay": ["amp.replay_share=0"],
    "no R1": ["amp.r1_gamma=0"],
    "R1 and R2": ["amp.r2_gamma=1"],
    "noise off": NOISE_OFF,
    "2 frames": ["amp.window=2"],
    "3 frames": ["amp.window=3"],
    "5 frames": ["amp.window=5"],
    "layer norm": ["amp.normalization=layer"],
    "spectral norm": ["amp.normalization=spectral"],
    "label smoothing 0.1": ["amp.label_smoothing=0.1"],
    "lsgan -1/1, quadratic": ["amp.targets=[-1, 1, 1]", "amp.reward=quadratic"],
    "lsgan, linear": ["amp.reward=linear"],
    "vanilla, sigmoid": ["amp.loss=vanilla", "amp.reward=sigmoid"],
    "vanilla, gail": ["amp.loss=vanilla", "amp.reward=gail"],
    "vanilla, softplus": ["amp.loss=vanilla", "amp.reward=softplus"],
    "hinge, linear": ["amp.loss=hinge", "amp.reward=linear"],
    "hinge, softplus": ["amp.loss=hinge", "amp.reward=softplus"],
    "wasserstein, linear": ["amp.loss=wasserstein", "amp.reward=linear", "amp.r1_gamma=0", "amp.gp_weight=10"],
    "dropout 0.3": ["amp.dropout=0.3"],
    "command as input": ["amp.condition=command"],
    "minibatch deviation": ["amp.minibatch_deviation=true"],
    "patches of 1 frame": ["amp.trunk=patches", "amp.hidden=[256, 128]"],
    "convolution, 5 frames": ["amp.trunk=convolution", "amp.window=5", "amp.hidden=[128, 128]"],
    "style 0.8, task 0.2": ["amp.style_weight=0.8", "amp.task_weight=0.2"],
}


def check_rows(names: Sequence[str]) -> None:
    """Raise InputError for a name that is no row."""
    for name in names:
        if name not in ROWS:
            raise InputError(f"there is no row '{name}'; {nearest(name, ROWS)}")
