"""SA-OOSC: the scenario's importance of each part of a picture decides how many channel uses the part gets.

    image ─► g_a ─► y ─┬─► entropy model ─► bits_i ─┐
                       ├─► student(scenario) ─► I_i ┴─► k_i = Q_R(η a_i bits_i) ─► ints["rates"] ─► side codec ─► link
                       └─► f_e(k, snr) ─► first k_i of each token ─► unit power ─► channel ─► f_d(snr) ─► g_s ─► image^

Source: arXiv 2509.07436 (abstract and introduction; its details are not public); the mechanics of lengths from learned
entropy are those of NTSCC, arXiv 2112.10961.

| paper / SYSTEMS        | here                                         |
|------------------------|----------------------------------------------|
| vectorization g_a, g_s | `analysis`, `synthesis`                      |
| importance student     | `importance` (any of `semjax.importance`)    |
| what it sees           | y; of variant `student_pixels` the features of `tower`, a frozen network |
| hyperprior             | `entropy`: bits_i; shapes the rate only      |
| η, g, Q_R              | `eta` at rate token 1, or what `cbr` allows; `g`; `bottleneck.rates` |
| f_e, f_d               | `coder`, `restorer`                          |

Options: `scenarios` are the rows of the labels, 0 = those of scenes, with their wordings; `tables` names the class
tables of the static variants, packaged ones or a file; `tower` is the file of MobileNet's weights, `start` the student
to begin as, of `student_pixels` alone. For ablations: `rate_tokens`, whether the coder knows what of a
token is sent, and `free_rate`, whether the loss of the rate reaches importance.

CHOICE: all networks start at the variable-length linear code, so that a short training never ends below it.
CHOICE: lengths are made of bits of rounded latents, in training too; the noisy ones serve the rate loss.
CHOICE: a variant has the same networks, data and weights, and another `importance`; `uniform` also has alpha = 0.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from semjax.bottlenecks.analog import SCALE_BITS
from semjax.bottlenecks.entropy import HyperPrior
from semjax.bottlenecks.linear import PATCH, LinearCode
from semjax.bottlenecks.masked import VariableLength, rates_codec
from semjax.contracts import SideCodec
from semjax.data.files import DataError, located
from semjax.decoders.tokens import SynthesisTransform, TokenDecoder
from semjax.encoders.mobilenet import WeightsError
from semjax.encoders.tokens import STEP, AnalysisTransform, TokenEncoder, deviation
from semjax.importance.allocate import RateSet, budget, check_budget, gains, lengths, untied
from semjax.importance.picture_student import MOBILENET, PictureTower, tower_params
from semjax.link.side import FixedWidth
from semjax.scenes.scenarios import scenario_names
from semjax.systems.base import Parts
from semjax.systems.scenario_trained import ScenarioTrained
from semjax.systems.scenario_variants import variant_of
from semjax.types import Image, PerImage, Public, Received, Signal, Tree, struct


@struct
class Relaxed:
    """What training sees without a channel: the picture of noisy latents, and what they would cost in bits."""

    image: Float[Array, "b h w 3"]
    bits: Float[Array, "b i j"]
    bits_z: Float[Array, "b"]


@struct
class Shares:
    """What each token gets, and why.

    Attributes:
      importance: in [0, 1]; logits of it, where a student says them.
      gains: what importance multiplies a token's share by.
      soft: real dimensions before rounding, which have a gradient; index: into the rate levels, after it.
    """

    importance: Float[Array, "b i j"]
    logits: Float[Array, "b i j"] | None
    gains: Float[Array, "b i j"]
    soft: Float[Array, "b i j"]
    index: Int[Array, "b i j"]


class SAOOSC(nn.Module):
    """Both ends; see the module's docstring for the parts.

    Attributes:
      eta: real dimensions per bit at rate token 1; the rate token scales it.
      g: what importance is worth (`semjax.importance.allocate`).
      cbr: analog uses per value that each picture may spend at rate token 1, whatever it holds; 0 = `eta` decides.
      tower: makes features of tokens that importance sees instead of y; its parameters are not the system's.
    """

    analysis: nn.Module
    entropy: nn.Module
    importance: nn.Module
    coder: nn.Module
    bottleneck: VariableLength
    restorer: nn.Module
    synthesis: nn.Module
    eta: float
    g: float
    cbr: float = 0.0
    tower: nn.Module | None = None

    def transmit(self, image: Image, public: Public, given: Mapping[str, Array]) -> Signal:
        """Pads by repeating the edge to a multiple of 16; what that costs is counted."""
        y = self.latents(image, public)
        return self.sent(y, self.shares(y, image, public, given), public)

    def receive(self, received: Received, public: Public) -> Image:
        """Pictures of the public size, not clipped."""
        y = self.restorer(self.bottleneck.unpack(received, public), public)
        return self.synthesis(y, public)[:, : public.height, : public.width]

    def latents(self, image: Image, public: Public) -> Float[Array, "b i j d"]:
        """y of a picture, padded."""
        return self.analysis(_padded(image, public), public)

    def shares(self, y: Float[Array, "b i j d"], image: Image, public: Public, given: Mapping[str, Array]) -> Shares:
        """What each token gets; of y itself no gradient comes of it. A student sees latents of variance about 1."""
        y = jax.lax.stop_gradient(y)
        own = y * (STEP / deviation(self.analysis.code))
        seen = own if self.tower is None else self.tower(_padded(image, public), public)
        said = self.importance(seen, public, given)
        bits = jax.lax.stop_gradient(self.entropy(y, None, None).bits)
        b, i, j = bits.shape
        a, flat = gains(said.importance.reshape(b, -1), self.g), bits.reshape(b, -1)
        flat = untied(flat) if self.cbr else flat
        eta = self.scale(flat, a, public)
        index = lengths(flat, a, eta=eta, rates=self.bottleneck.rates)
        a = a.reshape(b, i, j)
        soft = jnp.clip(eta[:, None, None] * a * bits, 0.0, float(self.bottleneck.rates.largest))
        return Shares(importance=said.importance, logits=said.logits, gains=a, soft=soft, index=index.reshape(b, i, j))

    def scale(self, bits: Float[Array, "b n"], a: Float[Array, "b n"], public: Public) -> PerImage:
        """η of each picture: the system's own, or the largest that its budget allows.

        Raises:
          ValueError: a budget that no scale can meet.
        """
        if not self.cbr:
            return self.eta * public.rate
        full = self.cbr * 3 * public.height * public.width
        check_budget(full, n=bits.shape[1], rates=self.bottleneck.rates)
        return budget(bits, a, uses=full * public.rate, rates=self.bottleneck.rates)

    def sent(self, y: Float[Array, "b i j d"], shares: Shares, public: Public) -> Signal:
        """What goes over the air of latents, each token as long as its share says."""
        signal = self.bottleneck.pack(self.coder(y, shares.index, public), shares.index, public)
        return dataclasses.replace(signal, aux={"importance": shares.importance, "lengths": shares.soft})

    def relaxed(self, y: Float[Array, "b i j d"], noise: tuple[Array, Array], public: Public) -> Relaxed:
        """The transform code alone, with noise for rounding; training only."""
        out = self.entropy(y, *noise)
        image = self.synthesis(out.y_hat, public)[:, : public.height, : public.width]
        return Relaxed(image=image, bits=out.bits, bits_z=out.bits_z)


def _padded(image: Image, public: Public) -> Image:
    bottom, right = -public.height % PATCH, -public.width % PATCH
    return jnp.pad(image, ((0, 0), (0, bottom), (0, right), (0, 0)), mode="edge")


def build_sa_oosc(
    cfg: Any,
    parts: Parts,
    *,
    variant: str = "student",
    scenarios: int = 0,
    tables: str = "scenes",
    features: int = 192,
    levels: tuple[int, ...] = RateSet().levels,
    eta: float = 0.3,
    cbr: float = 0.0,
    g: float = 1.5,
    alpha: float = 4.0,
    width: int = 96,
    depth: int = 4,
    prior: str = "natural",
    rate_tokens: bool = True,
    free_rate: bool = False,
    tower: str = MOBILENET,
    start: str = "",
) -> ScenarioTrained:
    """From a run's config: sections `encoder`, `decoder` (stride 16), `channel`, `phases`; the options are of `system`.

    Raises:
      ValueError: no such variant or tables, more dimensions per token than features, or networks of another stride.
    """
    chosen, rates, full = variant_of(variant, start=start), RateSet(levels=levels), _code(features, prior)
    sizes = {"code": _code(rates.largest, prior), "full": full, "width": width, "depth": depth}
    module = SAOOSC(
        **_transforms(cfg, parts, full),
        **_ends(rates, sizes, told=rate_tokens),
        importance=chosen.importance(scenarios or len(scenario_names())),
        eta=eta,
        g=g if chosen.shares else 0.0,
        cbr=cbr,
        tower=PictureTower() if chosen.looks else None,
    )
    own = {"alpha": alpha if chosen.weighs else 0.0, "worded": not scenarios, "given": chosen.reading(tables)}
    own["weights"] = functools.partial(_tower_weights, tower) if chosen.looks else None
    return _trained(cfg, parts, module=module, variant=variant, free_rate=free_rate, **own)


def _tower_weights(path: str) -> Tree:
    """Parameters of the tower.

    Raises:
      DataError: they are not there, or are others.
    """
    try:
        return tower_params(located(path))
    except (DataError, WeightsError) as error:
        raise DataError(
            f"variant student_pixels looks through MobileNet, whose weights no checkpoint holds: {error}; put "
            "mobilenet_v1_0.75_224.npz where system.tower says, or set SEMJAX_DATA to the folder that holds them as "
            f"{MOBILENET.removeprefix('$SEMJAX_DATA/')}"
        ) from error


def _code(features: int, prior: str) -> LinearCode:
    return LinearCode(cbr=features / (2 * 768), prior=prior)


def _ends(rates: RateSet, sizes: Mapping[str, Any], *, told: bool) -> dict[str, Any]:
    """Both ends of the code of tokens; `told` is whether the coder knows what of a token is sent."""
    code, full = sizes["code"], sizes["full"]
    if code.features > full.features:
        raise ValueError(
            f"the longest token has {code.features} dimensions, more than the {full.features} features of y"
        )
    return {
        "coder": TokenEncoder(levels=len(rates.levels) if told else 0, **sizes),
        "bottleneck": VariableLength(rates=rates, stride=PATCH, reference=code.reference),
        "restorer": TokenDecoder(**sizes),
    }


def _transforms(cfg: Any, parts: Parts, full: LinearCode) -> dict[str, Any]:
    """Both transforms, whose networks give 0 at the start, and the entropy model of what lies between."""
    zero, features = nn.initializers.zeros_init(), full.features
    net: Any = parts.encoder(cfg.encoder)(features=features, last_init=zero)
    back: Any = parts.decoder(cfg.decoder)(last_init=zero)
    if net.stride != PATCH or back.stride != PATCH:
        raise ValueError(f"the networks need stride {PATCH}, got {net.stride} and {back.stride}")
    usual = tuple((deviation(full) / STEP).tolist())
    return {
        "analysis": AnalysisTransform(code=full, net=net),
        "synthesis": SynthesisTransform(code=full, net=back),
        "entropy": HyperPrior(features=features, hyper_features=max(8, features // 8), scale=usual, steps=True),
    }


def _trained(cfg: Any, parts: Parts, *, module: SAOOSC, variant: str, **more: Any) -> ScenarioTrained:
    codecs: dict[str, SideCodec] = {
        "rates": rates_codec(module.bottleneck.rates),
        "scale": FixedWidth(bits=SCALE_BITS),
    }
    return ScenarioTrained(
        name="sa_oosc",
        variant=variant,
        module=module,
        channel=parts.channel(cfg.channel),
        PHASES=parts.phases(cfg.phases),
        side_codecs=codecs,
        rates=(0.25, 1.0),
        longest=module.bottleneck.rates.largest,
        **more,
    )
