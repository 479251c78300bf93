"""Pooling within boxes: the same as sampling point by point, in any shape, and with its gradient."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from torch import Tensor

from komadori.ml.roi_align import roi_align

BOXES = [[2.0, 1.0, 9.0, 6.0], [0.0, 0.0, 13.0, 10.0], [4.2, 3.1, 4.9, 3.7], [10.5, 7.5, 12.9, 9.9]]


def sampled(feature: NDArray[np.float32], box: list[float], n_bins: int, ratio: int, aligned: bool) -> Tensor:
    """The plain way: read every sample of every bin of one (H, W) feature, and average."""
    x0, y0, x1, y1 = (edge - (0.5 if aligned else 0.0) for edge in box)
    width, height = x1 - x0, y1 - y0
    if not aligned:
        width, height = max(width, 1.0), max(height, 1.0)
    n_x, n_y = (ratio if ratio > 0 else math.ceil(side / n_bins) for side in (width, height))
    pooled = np.zeros((n_bins, n_bins))
    for row, column in np.ndindex(n_bins, n_bins):
        y = y0 + (row + (np.arange(n_y) + 0.5) / n_y) * height / n_bins
        x = x0 + (column + (np.arange(n_x) + 0.5) / n_x) * width / n_bins
        places = np.stack(np.meshgrid(y, x, indexing="ij"))
        pooled[row, column] = map_coordinates(feature, places, order=1, mode="nearest").mean()
    return torch.from_numpy(pooled).float()


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [-1, 2])
@pytest.mark.parametrize("n_bins", [1, 3, 7])
def test_it_is_the_mean_of_samples(n_bins: int, ratio: int, aligned: bool) -> None:
    features = torch.randn(2, 3, 10, 13, generator=torch.Generator().manual_seed(1))
    rois = torch.tensor([[number % 2, *box] for number, box in enumerate(BOXES)])

    pooled = roi_align(features, rois, 1.0, n_bins, n_bins, ratio, aligned)

    assert pooled.shape == (4, 3, n_bins, n_bins)
    for number, box in enumerate(BOXES):
        for channel in range(3):
            expected = sampled(features[number % 2, channel].numpy(), box, n_bins, ratio, aligned)
            torch.testing.assert_close(pooled[number, channel], expected, atol=1e-5, rtol=1e-5)


def test_boxes_are_scaled_to_the_features() -> None:
    features = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(2))
    here = roi_align(features, torch.tensor([[0, 1.0, 2.0, 5.0, 7.0]]), 1.0, 2, 3, -1, False)
    there = roi_align(features, torch.tensor([[0, 8.0, 16.0, 40.0, 56.0]]), 0.125, 2, 3, -1, False)

    assert here.shape == (1, 2, 2, 3)
    assert torch.equal(here, there)


def test_no_boxes_give_nothing_and_half_precision_stays() -> None:
    features = torch.ones(1, 2, 8, 8, dtype=torch.float16)

    assert roi_align(features, torch.zeros(0, 5), 1.0, 3, 3, -1, False).shape == (0, 2, 3, 3)
    pooled = roi_align(features, torch.tensor([[0, 1.0, 1.0, 5.0, 5.0]]), 1.0, 3, 3, -1, False)
    assert pooled.dtype == torch.float16
    assert torch.equal(pooled, torch.ones(1, 2, 3, 3, dtype=torch.float16))


def test_it_can_be_learnt_through() -> None:
    features = torch.randn(1, 1, 6, 6, dtype=torch.float32, requires_grad=True)
    roi_align(features, torch.tensor([[0, 1.0, 1.0, 5.0, 5.0]]), 1.0, 2, 2, -1, False).mean().backward()

    assert features.grad is not None
    assert float(features.grad.sum()) == pytest.approx(1.0)
