"""One vector of what a vision model makes of an image: of its patches, its class token, or its map.

Which of a model's states are patches is not told by its configuration alone: a class token, a
distillation token and registers stand before them, or nothing does, and some merge patches.
"""

from __future__ import annotations

from typing import Any

from bench.core.backbone import Pooling

Tensor = Any


def vision_features(net: Any, pixels: Tensor, pooling: Pooling) -> Tensor:
    """Pooled states `(b, width)` of images `(b, 3, h, w)`.

    `CLS` is the class token; where a model has none, its own pooling (SigLIP's head), and the mean
    where it has none either. `MEAN` is that of the patches. A convolutional network has its own
    pooling of its map, or the mean over it, for both.
    """
    import torch

    output = net(pixel_values=pixels, **_told(net, pixels))
    states, own = output.last_hidden_state, getattr(output, "pooler_output", None)
    if states.ndim == 4:
        return states.mean(dim=(2, 3)) if own is None else own.flatten(1)
    if _last_norm_is_left(net):
        states = net.post_layernorm(states)
    extra = _before_patches(net, pixels, states.shape[1])
    mean = states[:, extra:].mean(dim=1)
    instead = mean if own is None else own
    one = states[:, 0] if extra else instead
    parts = {
        Pooling.CLS: [one],
        Pooling.MEAN: [mean],
        Pooling.CLS_MEAN: [one, mean],
    }[pooling]
    return torch.cat(parts, dim=1)


def _before_patches(net: Any, pixels: Tensor, count: int) -> int:
    """How many of `count` states stand before those of the patches; 0 where patches were merged."""
    patches = _patches(net, pixels)
    if patches is None:
        return 1 + int(getattr(net.config, "num_register_tokens", 0) or 0)
    return max(0, count - patches)


def _patches(net: Any, pixels: Tensor) -> int | None:
    """How many patches an image has; None where the model does not say how large they are."""
    size = getattr(net.config, "patch_size", None)
    if size is None:
        return None
    high, wide = (size, size) if isinstance(size, int) else (size[-2], size[-1])
    return int((pixels.shape[-2] // high) * (pixels.shape[-1] // wide))


def _last_norm_is_left(net: Any) -> bool:
    """CLIP and its kin norm the class token alone, after their last layer; SigLIP all states."""
    kind = str(net.config.model_type)
    return "clip" in kind and "siglip" not in kind and hasattr(net, "post_layernorm")


def _told(net: Any, pixels: Tensor) -> dict[str, Tensor]:
    """A masked autoencoder hides patches, by numbers drawn anew each time, unless it is told."""
    import torch

    if net.config.model_type != "vit_mae":
        return {}
    net.config.mask_ratio = 0.0
    order = torch.arange(_patches(net, pixels) or 0, device=pixels.device, dtype=torch.float32)
    return {"noise": order.expand(len(pixels), -1)}
