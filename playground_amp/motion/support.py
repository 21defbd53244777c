"""How far a point is from the feet: the convex hull of what touches the ground."""

from __future__ import annotations

import numpy as np


def distance_to_hull(point: np.ndarray, corners: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Distance [N] m of `point` [N, 2] from the convex hull of the valid ones of `corners` [N, C, 2]; 0 inside.

    `valid` is [N, C] bool; NaN in frames without a valid corner, or where the point is NaN. The edges of a hull are
    among the segments between any two corners, and the other segments lie within it: no hull has to be built.
    """
    rays = np.where(valid[..., None], corners - point[:, None], np.nan)
    first, second = np.triu_indices(corners.shape[1])
    distance = _distance_to_segment(rays[:, first], rays[:, second])
    nearest = np.min(np.where(np.isnan(distance), np.inf, distance), axis=1)
    return np.where(np.isinf(nearest), np.nan, np.where(_enclosed(rays), 0.0, nearest))


def _distance_to_segment(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Distance [...] of the origin from segments [..., 2]; also of no length."""
    way = end - start
    length = np.maximum(np.sum(way**2, axis=-1), 1e-18)
    share = np.clip(-np.sum(start * way, axis=-1) / length, 0.0, 1.0)
    return np.linalg.norm(start + share[..., None] * way, axis=-1)


def _enclosed(rays: np.ndarray) -> np.ndarray:
    """Whether the rays [N, C, 2] (NaN: none) leave no half plane free: their greatest gap is less than half a turn."""
    angles = np.sort(np.arctan2(rays[..., 1], rays[..., 0]), axis=1)  # NaN come last
    last = np.take_along_axis(angles, np.maximum(np.isfinite(angles).sum(axis=1) - 1, 0)[:, None], axis=1)[:, 0]
    around = angles[:, 0] + 2.0 * np.pi - last
    gaps = np.concatenate([np.diff(angles, axis=1), around[:, None]], axis=1)
    return np.max(np.where(np.isnan(gaps), 0.0, gaps), axis=1) < np.pi - 1e-9
