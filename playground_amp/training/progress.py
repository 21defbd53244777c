"""The numbers to watch while training, in one line."""

from __future__ import annotations

from collections.abc import Mapping


def summary(row: Mapping[str, float], health: str = "learning") -> str:
    """The numbers to watch in one metrics row and the state of health; a bad one and its numbers come first.

    A narrow terminal cuts the end off.
    """
    parts = [
        f"{row['env_steps'] / 1e6:.2f}M steps {row['env_steps_per_second'] / 1e3:.1f}k/s",
        f"length {row['episode_length']:.0f}  {row['forward_velocity']:.2f} m/s",
    ]
    if "disc_acc" in row:
        real, fake = row["disc_real_mean"], row["disc_fake_mean"]
        parts.append(f"D {real:.2f}/{fake:.2f} acc {row['disc_acc']:.2f}  style {row['amp_reward']:.2f}")
    return "  ".join([*parts, health] if health == "learning" else [health, *reversed(parts)])
