"""SwinJSCC: one analog code for a range of SNRs and rates.

    image ─► pad ─► Swin encoder ─► latents ─► first features, by rate ─► symbols (+ scale) ─► channel
                        ▲ snr, rate                                                              │
    image^ ◄─ crop ◄─ Swin decoder ◄─ latents ◄──────────────────────────────────────────────────┘
                        ▲ snr after fading, rate

| system          | encoder                  | bottleneck                  | decoder                  |
|-----------------|--------------------------|-----------------------------|--------------------------|
| swinjscc        | GatedEncoder(code, net)  | ScaledAnalog, PrefixRate    | GatedDecoder(code, net)  |
| swinjscc_public | net                      | Analog, PrefixRate          | PlainDecoder(net)        |

| paper                        | here                                                     |
|------------------------------|----------------------------------------------------------|
| SNR η, rate R                | `public.snr_db`, `public.rate` (a fraction of `cbr`)     |
| Channel ModNet, Rate ModNet  | `semjax.nn.modulate.ModNet` (gate of the published nets) |
| mask M                       | `PrefixRate`, a function of the rate alone               |

Source: K. Yang et al., "SwinJSCC: Taming Swin Transformer for deep joint source-channel coding", IEEE TCCN 2024,
arXiv 2308.09361.

CHOICE: `swinjscc` starts at the linear code, at every rate, and learns gates and residuals on both ends.
CHOICE: its SNR and rate modulate every stage (FiLM) instead of gating the last features; `swinjscc_public` gates.
"""

from typing import Any

import flax.linen as nn

from semjax.bottlenecks.analog import SCALE_BITS, Analog, ScaledAnalog
from semjax.bottlenecks.linear import PATCH, LinearCode
from semjax.bottlenecks.prefix import PrefixRate
from semjax.contracts import Channel, Phase
from semjax.decoders.linear import GatedDecoder, PlainDecoder
from semjax.encoders.linear import GatedEncoder
from semjax.link.side import FixedWidth
from semjax.systems.base import Parts, SystemTrainable
from semjax.systems.jscc import JSCC, Net


def swinjscc(
    *,
    cbr: float,
    min_cbr: float,
    channel: Channel,
    phases: tuple[Phase, ...],
    encoder: Net,
    decoder: Net,
    prior: str = "natural",
) -> SystemTrainable:
    """Learned gates and residuals on both ends of the linear code, at any rate between two.

    Args:
      cbr: channel uses per picture value at rate token 1.
      min_cbr: the least that the model is to serve.
      channel: the run's channel.
      phases: training phases; their `rate` should stay between `min_cbr / cbr` and 1.
      encoder: factory taking `features` and `last_init`, of stride 16.
      decoder: factory taking `last_init`, of stride 16, with `coarse` and `fine`.
      prior: the linear code's prior.

    Raises:
      ValueError: rates or strides that cannot be.
    """
    code = LinearCode(cbr=cbr, prior=prior)
    _check_rates(cbr, min_cbr, code.features)
    zero = nn.initializers.zeros_init()
    net, back = encoder(features=2 * code.features, last_init=zero), decoder(last_init=zero)
    if net.stride != PATCH or back.stride != PATCH:
        raise ValueError(f"the networks need the linear code's stride, {PATCH}; got {net.stride} and {back.stride}")
    coder, restorer = GatedEncoder(code=code, net=net), GatedDecoder(code=code, net=back)
    bottleneck = ScaledAnalog(stride=PATCH, features=code.features, layout=PrefixRate(), reference=code.reference)
    return SystemTrainable(
        name="swinjscc",
        module=JSCC(encoder=coder, decoder=restorer, bottleneck=bottleneck),
        channel=channel,
        PHASES=phases,
        side_codecs={"scale": FixedWidth(bits=SCALE_BITS)},
        rates=(min_cbr / cbr, 1.0),
    )


def swinjscc_public(
    *, cbr: float, min_cbr: float, channel: Channel, phases: tuple[Phase, ...], encoder: Net, decoder: Net
) -> SystemTrainable:
    """Networks alone, random start, nothing sent but symbols; arguments as for `swinjscc`, of any stride."""
    stride = encoder(features=2).stride
    features = 2 * round(cbr * 3 * stride**2)
    _check_rates(cbr, min_cbr, features)
    module = JSCC(
        encoder=encoder(features=features),
        decoder=PlainDecoder(net=decoder()),
        bottleneck=Analog(stride=stride, features=features, layout=PrefixRate()),
    )
    rates = (min_cbr / cbr, 1.0)
    return SystemTrainable(name="swinjscc_public", module=module, channel=channel, PHASES=phases, rates=rates)


def _check_rates(cbr: float, min_cbr: float, features: int) -> None:
    if features < 2 or features % 2:
        raise ValueError(f"cbr {cbr:g} gives {features} latents per position; an even number of at least 2 is needed")
    if not 0 < min_cbr <= cbr or min_cbr / cbr * features < 1.5:
        raise ValueError(
            f"min_cbr {min_cbr:g} must be between {cbr * 2 / features:g} (one symbol per position) and cbr {cbr:g}"
        )


def build_swinjscc(
    cfg: Any, parts: Parts, *, cbr: float = 1 / 8, min_cbr: float = 1 / 48, prior: str = "natural"
) -> SystemTrainable:
    """`swinjscc` from a run's config: sections `encoder`, `decoder`, `channel`, `phases`; options from `system`."""
    return swinjscc(cbr=cbr, min_cbr=min_cbr, prior=prior, **_sections(cfg, parts))


def build_swinjscc_public(cfg: Any, parts: Parts, *, cbr: float = 1 / 8, min_cbr: float = 1 / 48) -> SystemTrainable:
    """`swinjscc_public` from a run's config: sections as for `swinjscc`."""
    return swinjscc_public(cbr=cbr, min_cbr=min_cbr, **_sections(cfg, parts))


def _sections(cfg: Any, parts: Parts) -> dict[str, Any]:
    return {
        "channel": parts.channel(cfg.channel),
        "phases": parts.phases(cfg.phases),
        "encoder": parts.encoder(cfg.encoder),
        "decoder": parts.decoder(cfg.decoder),
    }
