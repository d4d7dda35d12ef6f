"""Every way to feed a graph and to read it, on every runtime: the same lesion as the torch reference draws."""

from dataclasses import replace

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.bundle.golden import golden_image
from miniseg_edge.errors import InputError, NumericError, UsageError
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.preprocessing import ByteArray, Window
from miniseg_edge.training.checkpoint import save_checkpoint
from tests.conftest import STATISTICS, random_network, runtime_parameters, targets_here
from tests.runtimes.backends.test_contract import RUNTIMES

pytestmark = pytest.mark.slow

SIZE = (48, 64)
WINDOW = Window(-1250.0, 250.0)
EVERYTHING = "hu in, mask out, any batch and size"
WAYS: dict[str, dict[str, object]] = {
    "hu in, any batch": {"values": "hu", "dynamic_batch": True},
    "mask out": {"result": "mask"},
    "any size": {"dynamic_size": True},
    EVERYTHING: {"values": "hu", "result": "mask", "dynamic_batch": True, "dynamic_size": True},
    "separate channels, hu in": {"separate_channels": True, "values": "hu"},
}
ARCHITECTURES = {
    "two classes": Architecture((4, 4, 8, 4), (1, 0, 1, 0), (0, 0, 1, 0)),
    "three classes": Architecture((4, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0), classes=3),
}

SEEDS = {"two classes": 39, "three classes": 164}
"""Of networks that draw every class: a mask of one class would hide a graph that always gives that."""

every_runtime = pytest.mark.parametrize("runtime", runtime_parameters([name for name in RUNTIMES if name != "torch"]))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Bundle]:
    """A bundle with every target for each way and architecture; each passed the parity gate."""
    found = {}
    for name, architecture in ARCHITECTURES.items():
        folder = tmp_path_factory.mktemp("ways")
        save_checkpoint(random_network(architecture, SEEDS[name]), STATISTICS, folder / "network.pth")
        base = ExportRequest(
            folder / "network.pth", folder / "none", targets_here(), ("fp32",), size=SIZE, window=WINDOW
        )
        for way in WAYS if architecture.classes == 2 else (EVERYTHING,):
            output = folder / way.replace(" ", "-")
            assert export_bundle(replace(base, output=output, **WAYS[way])).bundle is not None  # type: ignore[arg-type]
            found[way, name] = open_bundle(output)
    return found


def a_slice(bundle: Bundle, seed: int, size: tuple[int, int] = SIZE) -> ByteArray:
    image = phantom(seed, size=size).image
    channels = bundle.manifest.interface.channels
    return image if channels == 1 else np.stack([image, 255 - image, image // 2], axis=2)[..., :channels]


@every_runtime
@pytest.mark.parametrize(
    ("way", "architecture"), [*((way, "two classes") for way in WAYS), (EVERYTHING, "three classes")]
)
def test_draws_the_references_lesion(
    bundles: dict[tuple[str, str], Bundle], runtime: str, way: str, architecture: str
) -> None:
    bundle = bundles[way, architecture]
    slice_ = a_slice(bundle, 5)
    hu = WINDOW.hu_from_grey(slice_.astype(np.float32)) + np.where(slice_ == 255, 900, 0)  # beyond the window, too
    with miniseg_edge.load(bundle, runtime) as segmenter, miniseg_edge.load(bundle, "torch") as reference:
        for found, expected in (
            (segmenter.segment(slice_), reference.segment(slice_)),
            (segmenter.segment_hu(hu), reference.segment(slice_)),
        ):
            margin = np.sort(np.concatenate([np.zeros_like(expected.maps[:1]), expected.maps]), axis=0)  # type: ignore[index]
            assert len(np.unique(expected.mask)) == bundle.manifest.network.classes
            sure = margin[-1] - margin[-2] > 1e-3
            np.testing.assert_array_equal(found.mask[sure], expected.mask[sure])
            if found.maps is not None:
                np.testing.assert_allclose(found.logit_maps, expected.logit_maps, atol=1e-3)
        if segmenter.bundle.manifest.interface.result == "mask":
            assert found.mask.dtype == np.uint8
            with pytest.raises(UsageError, match="only returns masks"):
                _ = found.logit


@every_runtime
@pytest.mark.parametrize("way", ["hu in, any batch", EVERYTHING])
def test_a_batch_is_its_slices(bundles: dict[tuple[str, str], Bundle], runtime: str, way: str) -> None:
    bundle = bundles[way, "two classes"]
    with miniseg_edge.load(bundle, runtime) as segmenter:
        inputs = [segmenter.prepare(a_slice(bundle, seed)).network_input for seed in (1, 2, 3)]
        together = segmenter.runtime.infer(np.concatenate(inputs))
        apart = np.concatenate([segmenter.runtime.infer(one) for one in inputs])
        assert together.dtype == apart.dtype
        np.testing.assert_allclose(together, apart, atol=1e-4)


@every_runtime
@pytest.mark.parametrize("size", [(48, 64), (51, 70), (33, 20), (64, 48)])
def test_any_size_is_segmented_in_its_own(
    bundles: dict[tuple[str, str], Bundle], runtime: str, size: tuple[int, int]
) -> None:
    bundle = bundles["any size", "two classes"]
    slice_ = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
    with miniseg_edge.load(bundle, runtime) as segmenter, miniseg_edge.load(bundle, "torch") as reference:
        assert segmenter.prepare(slice_).network_input.shape == (1, 1, *size)
        found, expected = segmenter.segment(slice_), reference.segment(slice_)
    assert found.mask.shape == size
    np.testing.assert_allclose(found.logit, expected.logit, atol=1e-3)


@every_runtime
def test_masks_alone_cannot_be_resized(bundles: dict[tuple[str, str], Bundle], runtime: str) -> None:
    bundle = bundles["mask out", "two classes"]
    with miniseg_edge.load(bundle, runtime) as segmenter:
        with pytest.raises(InputError, match="--graph-output logit"):
            segmenter.segment(a_slice(bundle, 1, (64, 64)))
        assert segmenter.segment(a_slice(bundle, 1)).mask.shape == SIZE


@every_runtime
def test_a_mask_of_what_is_not_finite_is_discarded(bundles: dict[tuple[str, str], Bundle], runtime: str) -> None:
    bundle = bundles["mask out", "two classes"]
    with miniseg_edge.load(bundle, runtime) as segmenter:
        poisoned = np.full((1, 1, *SIZE), np.nan, np.float32)
        with pytest.raises(NumericError):
            segmenter.runtime.infer(poisoned)
        assert segmenter.segment(a_slice(bundle, 1)).mask.shape == SIZE


@every_runtime
def test_slices_of_other_channels_are_refused(bundles: dict[tuple[str, str], Bundle], runtime: str) -> None:
    bundle = bundles["separate channels, hu in", "two classes"]
    with miniseg_edge.load(bundle, runtime) as segmenter:
        with pytest.raises(InputError, match=r"expected \(H, W, 3\)"):
            segmenter.segment(np.zeros(SIZE, np.uint8))
        assert segmenter.segment(golden_image(bundle, bundle.manifest.golden[0])).mask.shape == SIZE


@every_runtime
@pytest.mark.parametrize(
    ("way", "streams"),
    [
        *((way, None) for way in ("hu in, any batch", "mask out", "any size", "separate channels, hu in")),
        *(("hu in, any batch", streams) for streams in (1, 2)),
    ],
)
def test_a_volume_is_its_slices(
    bundles: dict[tuple[str, str], Bundle], runtime: str, way: str, streams: int | None
) -> None:
    bundle = bundles[way, "two classes"]
    volume = np.stack([a_slice(bundle, seed) for seed in range(1, 6)])
    hu = WINDOW.hu_from_grey(volume.astype(np.float32))
    seen: list[tuple[int, int]] = []
    with miniseg_edge.load(bundle, runtime, streams=streams) as segmenter:
        result = segmenter.segment_volume(volume, lambda done, of: seen.append((done, of)))
        serial = np.stack([segmenter.segment(slice_).mask for slice_ in volume])
        np.testing.assert_array_equal(result.mask, serial)
        np.testing.assert_array_equal(
            segmenter.segment_volume_hu(hu).mask, np.stack([segmenter.segment_hu(slice_).mask for slice_ in hu])
        )
        for bad in (volume[0], volume[:0], [volume]):
            with pytest.raises(InputError, match="a volume has a wrong shape"):
                segmenter.segment_volume(bad)  # type: ignore[arg-type]
    assert seen == [(done, 5) for done in range(1, 6)]
    assert result.slices_with_findings == tuple(i for i, mask in enumerate(serial) if mask.any())
    assert result.has_finding == bool(serial.any())
    assert result.bundle_digest == bundle.manifest.digest
