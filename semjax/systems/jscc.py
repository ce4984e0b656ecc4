"""Fixed-rate analog joint source-channel coding: `linear` and `deepjscc`.

    image ─► pad ─► encoder ─► latents ─► bottleneck ─► symbols (+ scale) ─► channel
                                                                               │
    image^ ◄─ crop ◄─ decoder ◄─ latents ◄─ bottleneck ◄───────────────────────┘

One module, three sets of parts:

| system            | encoder                      | bottleneck     | decoder                      |
|-------------------|------------------------------|----------------|------------------------------|
| linear            | LinearEncoder                | ScaledAnalog   | LinearDecoder                |
| deepjscc          | ResidualEncoder(code, net)   | ScaledAnalog   | ResidualDecoder(code, net)   |
| deepjscc_public   | net (5 convolutions)         | Analog         | PlainDecoder(net)            |

Source: Bourtsoulatze, Burth Kurka and Gündüz, "Deep joint source-channel coding for wireless image transmission",
IEEE TCCN 2019, arXiv 1809.01733, section III (architecture), with complex power normalisation per picture (Eq. 4).

CHOICE: `deepjscc` learns the residual over the linear code, so that a short training can never end below it.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array

from semjax.bottlenecks.analog import SCALE_BITS, Analog, Bottleneck, ScaledAnalog
from semjax.bottlenecks.linear import PATCH, LinearCode
from semjax.contracts import Channel, Phase
from semjax.decoders.linear import LinearDecoder, PlainDecoder, ResidualDecoder
from semjax.encoders.linear import LinearEncoder, ResidualEncoder
from semjax.link.side import FixedWidth
from semjax.systems.base import Parts, SystemTrainable
from semjax.types import Image, Public, Received, Signal

Net = Any
"""A factory of a Linen module: `net(features=..., ...)`."""


class JSCC(nn.Module):
    """Encoder, analog bottleneck, decoder.

    Attributes:
      encoder: (padded image, public) → latents.
      decoder: (received latents, public) → padded image.
      bottleneck: latents ↔ signal.
    """

    encoder: nn.Module
    decoder: nn.Module
    bottleneck: Bottleneck

    def transmit(self, image: Image, public: Public, given: Mapping[str, Array]) -> Signal:
        """Pads by repeating the edge to a multiple of the stride; what that costs is counted."""
        bottom, right = -public.height % self.bottleneck.stride, -public.width % self.bottleneck.stride
        padded = jnp.pad(image, ((0, 0), (0, bottom), (0, right), (0, 0)), mode="edge")
        return self.bottleneck.pack(self.encoder(padded, public), public)

    def receive(self, received: Received, public: Public) -> Image:
        """Pictures of the public size, not clipped."""
        image = self.decoder(self.bottleneck.unpack(received, public), public)
        return image[:, : public.height, : public.width]


def scaled(code: LinearCode) -> ScaledAnalog:
    """The bottleneck of a system that starts at `code`."""
    return ScaledAnalog(stride=PATCH, features=code.features, reference=code.reference)


def linear(*, cbr: float, channel: Channel, phases: tuple[Phase, ...], prior: str = "natural") -> SystemTrainable:
    """The linear code alone: nothing to train, a floor to stand on."""
    code = LinearCode(cbr=cbr, prior=prior)
    module = JSCC(encoder=LinearEncoder(code=code), decoder=LinearDecoder(code=code), bottleneck=scaled(code))
    return SystemTrainable(name="linear", module=module, channel=channel, PHASES=phases, side_codecs=_scale_codec())


def deepjscc(
    *, cbr: float, channel: Channel, phases: tuple[Phase, ...], encoder: Net, decoder: Net, prior: str = "natural"
) -> SystemTrainable:
    """Learned residuals on both ends of the linear code.

    Args:
      cbr: channel uses per picture value.
      channel: the run's channel.
      phases: training phases.
      encoder: factory taking `features` and `last_init`; its stride must divide 16.
      decoder: factory taking `last_init`, of the encoder's stride.
      prior: the linear code's prior.

    Raises:
      ValueError: if the latents of the encoder's stride cannot carry the code's coefficients evenly.
    """
    code = LinearCode(cbr=cbr, prior=prior)
    stride = encoder(features=1).stride
    unfold = PATCH // stride
    if PATCH % stride or code.features % unfold**2:
        raise ValueError(
            f"cbr {cbr:g} gives {code.features} latents per 16x16 block, which a stride-{stride} encoder cannot "
            f"share out evenly; take a stride that divides 16 and a cbr that is a multiple of {unfold**2 / 1536:g}"
        )
    zero = nn.initializers.zeros_init()
    coder = ResidualEncoder(code=code, net=encoder(features=code.features // unfold**2, last_init=zero))
    restorer = ResidualDecoder(code=code, net=decoder(last_init=zero), unfold=unfold)
    module = JSCC(encoder=coder, decoder=restorer, bottleneck=scaled(code))
    return SystemTrainable(name="deepjscc", module=module, channel=channel, PHASES=phases, side_codecs=_scale_codec())


def deepjscc_public(
    *, cbr: float, channel: Channel, phases: tuple[Phase, ...], encoder: Net, decoder: Net
) -> SystemTrainable:
    """The published form: networks alone, random start, nothing sent but symbols."""
    stride = encoder(features=1).stride
    values = 2 * 3 * stride**2
    features = round(cbr * values)
    if not features:
        raise ValueError(f"cbr {cbr:g} is less than one latent per position; the least here is {1 / values:g}")
    module = JSCC(
        encoder=encoder(features=features),
        decoder=PlainDecoder(net=decoder()),
        bottleneck=Analog(stride=stride, features=features),
    )
    return SystemTrainable(name="deepjscc_public", module=module, channel=channel, PHASES=phases)


def build_linear(cfg: Any, parts: Parts, *, cbr: float, prior: str = "natural") -> SystemTrainable:
    """`linear` from a run's config: sections `channel`, `phases`; options from `system`."""
    return linear(cbr=cbr, prior=prior, **_common(cfg, parts))


def build_deepjscc(cfg: Any, parts: Parts, *, cbr: float, prior: str = "natural") -> SystemTrainable:
    """`deepjscc` from a run's config: sections `encoder`, `decoder`, `channel`, `phases`; options from `system`."""
    return deepjscc(cbr=cbr, prior=prior, **_nets(cfg, parts), **_common(cfg, parts))


def build_deepjscc_public(cfg: Any, parts: Parts, *, cbr: float) -> SystemTrainable:
    """`deepjscc_public` from a run's config: sections as for `deepjscc`, one option."""
    return deepjscc_public(cbr=cbr, **_nets(cfg, parts), **_common(cfg, parts))


def _common(cfg: Any, parts: Parts) -> dict[str, Any]:
    return {"channel": parts.channel(cfg.channel), "phases": parts.phases(cfg.phases)}


def _nets(cfg: Any, parts: Parts) -> dict[str, Net]:
    return {"encoder": parts.encoder(cfg.encoder), "decoder": parts.decoder(cfg.decoder)}


def _scale_codec() -> dict[str, FixedWidth]:
    return {"scale": FixedWidth(bits=SCALE_BITS)}
