"""The residual blocks of AASIST's encoder, with the published names of their parameters."""

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two convolutions over (bands, frames) with a skip connection.

    The published block computes a norm and an activation before its first convolution and discards
    them; they are left out here.

    Args:
        inputs, outputs: channels.
        pool: number of frames that are pooled into one after the block; 1 keeps all.
    """

    def __init__(self, inputs: int, outputs: int, pool: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, (2, 3), padding=(1, 1))
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, (2, 3), padding=(0, 1))
        past = nn.Conv2d(inputs, outputs, (1, 3), padding=(0, 1))
        self.conv_downsample: nn.Module = nn.Identity() if inputs == outputs else past
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, inputs, bands, frames) to (B, outputs, bands, frames / pool)."""
        y = nn.functional.selu(self.bn2(self.conv1(x)))
        y = self.conv2(y) + self.conv_downsample(x)
        if self.pool > 1:
            y = nn.functional.max_pool2d(y, [1, self.pool])
        return y


def encoder(widths: list[tuple[int, int]], pool: int) -> nn.Sequential:
    """Builds a sequence of blocks, under the names "0.0", "1.0" and so on."""
    return nn.Sequential(
        *(nn.Sequential(ResidualBlock(inputs, outputs, pool)) for inputs, outputs in widths)
    )
