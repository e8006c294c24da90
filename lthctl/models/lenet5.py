"""LeNet-5 with ReLU and max-pooling (LeCun et al., 1998), for pictures of 28 x 28."""

from typing import TYPE_CHECKING

from lthctl.models.network import as_pictures, entry_of

if TYPE_CHECKING:
    from torch import nn


def lenet5(channels: int = 1, size: int = 28, classes: int = 10) -> "nn.Module":
    """Two convolutions of 5 x 5, each pooled, and three fully connected layers: 61,470 weights.

    The first convolution pads by 2, so that pictures of 28 x 28 are as the paper's of 32 x 32.

    Args:
      channels, size: of the pictures.
      classes: numbers of the last layer.
    """
    from torch import Tensor, nn

    class LeNet5(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(16 * ((size // 2 - 4) // 2) ** 2, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, classes)

        def forward(self, images: Tensor) -> Tensor:
            hidden = as_pictures(images, channels)
            for convolution in (self.conv1, self.conv2):
                hidden = nn.functional.max_pool2d(convolution(hidden).relu(), 2)
            hidden = self.fc1(hidden.flatten(1)).relu()
            logits: Tensor = self.fc3(self.fc2(hidden).relu())  # (batch, classes)
            return logits

    return LeNet5()


LENET5 = entry_of("lenet5", lenet5, "fc3")
