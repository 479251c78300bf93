"""Pools features within boxes (RoIAlign: He and others, "Mask R-CNN", 2017) as two small matrix products.

The mean of samples on a regular grid, each read between four cells, falls apart into one for the rows
and one for the columns. So each box needs two matrices, and no sample is ever written down; with the
samples, one box on the features of SAM 3 takes gigabytes.
"""

import torch
from torch import Tensor


def roi_align(
    features: Tensor,
    rois: Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """The mean of the features in each cell of a grid laid over each box.

    Args:
        features: (N, C, H, W).
        rois: (K, 5): which of the N, then x0, y0, x1, y1.
        spatial_scale: From the boxes' unit to cells of the features.
        pooled_height: Rows of the grid.
        pooled_width: Columns of the grid.
        sampling_ratio: Samples along each side of a grid's cell; by its size when 0 or less.
        aligned: Whether the middle of the first cell of the features lies at 0.5 and not at 0, in which
            case boxes smaller than a cell are pooled as they are.

    Returns:
        (K, C, pooled_height, pooled_width) in the type of ``features``.
    """
    edges = rois[:, 1:].float() * spatial_scale - (0.5 if aligned else 0.0)
    left, top, right, bottom = edges.unbind(1)
    least = 0.0 if aligned else 1.0
    rows = _means(top, (bottom - top).clamp(min=least), pooled_height, features.shape[2], sampling_ratio)
    columns = _means(left, (right - left).clamp(min=least), pooled_width, features.shape[3], sampling_ratio)
    boxed = features[rois[:, 0].long()].float()
    return (rows[:, None] @ boxed @ columns[:, None].mT).to(features.dtype)


def _means(start: Tensor, length: Tensor, n_bins: int, n_cells: int, sampling_ratio: int) -> Tensor:
    """(K, n_bins, n_cells) how much each cell of a line counts in each bin of K stretches of it."""
    per_bin = length / n_bins
    n_samples = torch.full_like(length, sampling_ratio) if sampling_ratio > 0 else per_bin.ceil().clamp(min=1)
    samples = torch.arange(int(n_samples.max()) if len(length) else 0, device=start.device)
    within = (samples + 0.5) / n_samples[:, None]
    bins = torch.arange(n_bins, device=start.device)
    places = start[:, None, None] + (bins[:, None] + within[:, None]) * per_bin[:, None, None]
    cells = torch.arange(n_cells, device=start.device)
    shares = (1.0 - (places.clamp(0, n_cells - 1)[..., None] - cells).abs()).clamp(min=0)
    counts = (samples < n_samples[:, None]) / n_samples[:, None]
    return (shares * counts[:, None, :, None]).sum(2)
