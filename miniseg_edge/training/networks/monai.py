"""MONAI's networks, in the widths that people deploy: what MiniSeg is compared with.

Each is built by name through the entry points in `pyproject.toml`, like other packages' networks; MONAI is imported
when one is built. Parameters are for three channels and two classes.
"""

from typing import Any

from torch import nn

from miniseg_edge.host.dependencies import require

_FIVE_STAGES = (16, 32, 64, 128, 256)
_NNU_NET_STAGES = (32, 64, 128, 256, 512, 512, 512, 512)


def unet(in_channels: int, classes: int) -> nn.Module:
    """The residual U-Net of MONAI's tutorials, 1.6 M parameters; sides are multiples of 16."""
    return _built(
        "UNet", in_channels, classes, channels=_FIVE_STAGES, strides=(2, 2, 2, 2), num_res_units=2
    )  # fmt: skip


def attention_unet(in_channels: int, classes: int) -> nn.Module:
    """Attention U-Net (Oktay et al., 2018) of the same widths, 2.0 M parameters; sides are multiples of 16."""
    return _built("AttentionUnet", in_channels, classes, channels=_FIVE_STAGES, strides=(2, 2, 2, 2))


def unet_plus_plus(in_channels: int, classes: int) -> nn.Module:
    """UNet++ (Zhou et al., 2018) in MONAI's default widths, 2.4 M parameters; any size."""
    return _built("BasicUNetPlusPlus", in_channels, classes)


def segresnet(in_channels: int, classes: int) -> nn.Module:
    """SegResNet (Myronenko, 2018) as MONAI's tumour tutorials have it, 1.6 M parameters; sides are multiples of 8."""
    return _built(
        "SegResNet", in_channels, classes, init_filters=16, blocks_down=(1, 2, 2, 4), blocks_up=(1, 1, 1)
    )  # fmt: skip


def dynunet(in_channels: int, classes: int) -> nn.Module:
    """What nnU-Net plans for slices of 512 x 512 (Isensee et al., 2021), 46 M parameters.

    Sides are multiples of 128, from 256. Without nnU-Net's deep supervision, ensemble and test-time flips.
    """
    down = len(_NNU_NET_STAGES) - 1
    return _built(
        "DynUNet", in_channels, classes,
        kernel_size=[3] * (down + 1), strides=[1] + [2] * down, upsample_kernel_size=[2] * down,
        filters=list(_NNU_NET_STAGES), norm_name=("INSTANCE", {"affine": True}),
    )  # fmt: skip


def _built(kind: str, in_channels: int, classes: int, **options: Any) -> nn.Module:
    """Raises: MissingDependencyError."""
    nets = require("monai.networks.nets", "compare")
    network: nn.Module = getattr(nets, kind)(
        spatial_dims=2, in_channels=in_channels, out_channels=classes, **options
    )  # fmt: skip
    return network
