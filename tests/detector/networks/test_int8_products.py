import pytest
import torch

from dfd.detector.networks.frames import Dense
from dfd.detector.networks.int8_products import Grid, RowDense, rounded
from tests.detector.conftest import needs_int8


def test_a_grid_covers_its_range_and_zero() -> None:
    for low, high in ((-1.0, 3.0), (0.5, 2.0), (-4.0, -1.0), (0.0, 0.0)):
        grid = Grid.over(low, high)
        assert 0 <= grid.zero <= 255
        assert grid.scale * (0 - grid.zero) <= min(low, 0.0) + grid.scale
        assert grid.scale * (255 - grid.zero) >= max(high, 0.0) - grid.scale


def test_values_are_rounded_to_the_nearest_code() -> None:
    values = torch.tensor([-5.0, -4.6, -0.4, 0.0, 0.4, 1.6, 249.6, 250.0])
    assert rounded(values, 5).tolist() == [0, 0, 5, 5, 5, 7, 255, 255]


def dense(*, bias: bool = True, gelu: bool = False) -> Dense:
    torch.manual_seed(0)
    return Dense(0.1 * torch.randn(48, 96), torch.randn(48) if bias else None, gelu=gelu)


@needs_int8
@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_a_quiet_row_is_as_exact_as_a_loud_one(bias: bool, gelu: bool) -> None:
    layer = dense(bias=bias, gelu=gelu)
    rows = torch.randn(2, 5, 96) * torch.logspace(-3, 2, 5).view(5, 1)
    with torch.inference_mode():
        expected, found = layer(rows), RowDense(layer, 128)(rows)
    error = (found - expected).norm(dim=2) / expected.norm(dim=2)
    assert float(error.max()) < 0.02


@needs_int8
def test_a_row_does_not_depend_on_the_others() -> None:
    product, rows = RowDense(dense(), 26), torch.randn(7, 96)
    with torch.inference_mode():
        together = product(rows)
        alone = torch.cat([product(row[None]) for row in rows])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)


@needs_int8
def test_a_row_of_zeros_gives_the_bias() -> None:
    layer = dense()
    with torch.inference_mode():
        torch.testing.assert_close(RowDense(layer, 128)(torch.zeros(1, 96))[0], layer.bias)
