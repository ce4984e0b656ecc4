"""What trains a system whose transmitter shares out channel uses by a scenario's importance: draws, losses, variants.

Each picture draws a scenario and one of its training wordings. With M the teacher's importance of each pixel's region
(weight 0 where the label failed or is missing), and w = (1 + α M) / mean(1 + α M); where α is 0 and nothing is told or
distilled, pictures need no labels:

    distortion      mean w_p |x − x̂|²  over the channel
    distortion_ntc  the same of the picture of noisy latents, without a channel
    rate            (Σ_i bits_i / sg(a_i) + bits_z) / values of the picture; without sg the student would learn to make
                    tokens cheap instead of telling what matters
    kd              BCE(logits / T, M) T² + dice / 2 over tokens; 0 where there is no student
    rank            max(0, m − (mean k_high − mean k_low) / k_max), of soft lengths
    mse, log_mse    of the picture over the channel, to look at

Source: arXiv 2509.07436 (distillation inside the JSCC framework); rate: J. Dai et al., arXiv 2112.10961.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from semjax.bottlenecks.linear import PATCH
from semjax.contracts import Phase
from semjax.importance.fixed import GIVEN
from semjax.importance.maps import importance_map, weight_map, weighted_token_peaks
from semjax.losses.distill import bce_distill, rank_margin, soft_dice
from semjax.scenes.scenarios import scenario_names, text_of
from semjax.scenes.wordings import TRAINING_WORDINGS
from semjax.scenes.words import tokens
from semjax.systems.base import SystemTrainable, send, slot_keys
from semjax.types import Batch, Keys, Outputs, PerImage, Public, Signal, Tree

SCENARIO_SLOT, NOISE_SLOT = 1002, 1003
TEXT_LENGTH = 32
MARGIN = 0.1
"""m: by how much of the longest token important ones should be longer."""
NEEDED = ("importance", "weight", "ids")
OVER_CHANNEL = ("distortion", "mse", "log_mse")
ALONE = ("distortion_ntc", "rate")
TAUGHT = ("kd", "rank")
"""Terms that need a pass over the channel, those that need the transform code without it, those that need labels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScenarioTrained(SystemTrainable):
    """A system of that kind as something to train; see the module's docstring.

    Attributes:
      alpha: how much more a pixel of importance 1 counts than one of importance 0, minus 1.
      longest: real dimensions of the longest token.
      free_rate: whether the rate's loss reaches importance: an ablation.
      worded: whether the scenarios are those of scenes, so that their wordings are known, too.
      given: (labels, public) → truth that the variant reads, or None.
      weights: reads the parameters of the module's frozen `tower`; None if it has none.
    """

    alpha: float
    longest: int
    free_rate: bool = False
    worded: bool = True
    given: Callable[[Mapping[str, Array], Public], dict[str, Array]] | None = None
    weights: Callable[[], Tree] | None = None

    def frozen(self) -> dict[str, Tree]:
        """What the step and the predict functions take as `frozen`: {} or {"tower": {its name: its parameters}}.

        Raises:
          DataError: the weights cannot be read.
        """
        return {"tower": {"tower": self.weights()}} if self.weights else {}

    @property
    def given_of(self) -> Callable[[Mapping[str, Array], Public], dict[str, Array]]:
        """For whoever evaluates a variant that is told the truth; others have no such attribute."""
        if self.given is None:
            raise AttributeError("given_of")
        return self.given

    def example_of(self, batch: Batch) -> tuple[Public, dict[str, Array]]:
        """What is public of pictures under a scenario, and the truth that a variant reads; only its shapes count."""
        b, h, w, _ = batch.image.shape
        public = dataclasses.replace(
            batch.public, scenario=jnp.zeros(b, jnp.int32), text=jnp.ones((b, TEXT_LENGTH), jnp.int32)
        )
        return public, {GIVEN: jnp.zeros((b, h, w), jnp.float32)} if self.given else {}

    def init(self, key: Array, batch: Batch) -> tuple[dict[str, Tree], Tree]:
        """Parameters of "codec": of both ends and of what training adds."""
        batch = jax.tree.map(jnp.asarray, batch)
        public, given = self.example_of(batch)

        def both_ends(module: Any) -> Any:
            signal = module.transmit(batch.image, public, given)
            keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(batch.id)
            return module.receive(send(self.channel, keys, signal, public.snr_db), public)

        variables = dict(self.module.init(key, method=both_ends))
        own = {name: part for name, part in variables.pop("params", {}).items() if name != "tower"}
        return {"codec": own}, variables

    def forward(
        self, params: Tree, collections: Tree, frozen: Tree, batch: Batch, keys: Keys, phase: Phase
    ) -> tuple[Outputs, Tree]:
        """Over the channel, without it, or neither: as far as the phase weighs a term that asks for it.

        Raises:
          ValueError: the batch has no labels, and the phase needs them.
        """
        missing = [name for name in NEEDED if name not in batch.labels]
        if missing and self._reads_labels(phase):
            raise ValueError(f"the batch has no labels {', '.join(missing)}: set data.train.truth or teachers.stores")
        batch = dataclasses.replace(batch, public=batch.public if missing else self._drawn(batch, keys))
        given = self.given(batch.labels, batch.public) if self.given else {}
        over, alone = (any(term in phase.weights for term in terms) for terms in (OVER_CHANNEL, ALONE))

        def chain(module: Any, batch: Batch) -> Outputs:
            public = batch.public
            y = module.latents(batch.image, public)
            shares = module.shares(y, batch.image, public, given)
            aux = {"scenario": public.scenario, "gains": shares.gains}
            if shares.logits is not None:
                aux["logits"] = shares.logits
            if over or "rank" in phase.weights:
                aux["lengths"] = shares.soft
            if alone:
                noise = _noise(keys, y.shape[1:], module.entropy.hyper_shape(*y.shape[1:3]))
                relaxed = module.relaxed(y, noise, public)
                aux |= {"ntc": relaxed.image, "bits": relaxed.bits, "bits_z": relaxed.bits_z}
            signal = module.sent(y, shares, public) if over else _silent(batch.image.shape[0])
            received = send(phase.channel or self.channel, keys, signal, public.snr_db)
            image = module.receive(received, public) if over else batch.image
            return Outputs(image=image, signal=signal, received=received, aux={**signal.aux, **aux})

        variables = {"params": {**params, **frozen.get("tower", {})}, **collections}
        outputs, changed = self.module.apply(variables, batch, method=chain, mutable=[])
        return outputs, {**collections, **changed}

    def _reads_labels(self, phase: Phase) -> bool:
        told = self.alpha > 0 or self.given is not None
        return told or any(term in phase.weights for term in TAUGHT)

    def _drawn(self, batch: Batch, keys: Keys) -> Public:
        """A scenario for each picture, one of the labels' rows; of scenes one of its training wordings, too."""
        count = batch.labels["importance"].shape[1]
        draw = jax.vmap(lambda key: jax.random.randint(key, (2,), 0, jnp.array([count, TRAINING_WORDINGS])))
        scenario, wording = jnp.moveaxis(draw(slot_keys(keys, SCENARIO_SLOT)), 1, 0)
        text = _wordings()[scenario, wording] if self.worded else None
        return dataclasses.replace(batch.public, scenario=scenario, text=text)

    def stats(self, outputs: Outputs) -> dict[str, Array]:
        """As of every system; none in a phase that sends nothing."""
        return super().stats(outputs) if outputs.signal.symbols.size else {}

    def terms(self, outputs: Outputs, batch: Batch, frozen: Tree) -> dict[str, PerImage]:
        """The terms of the module's docstring, of what was done."""
        aux = outputs.aux
        importance, weight = _labels_of(batch, aux["scenario"])
        w = 1.0 + self.alpha * importance * weight
        w = w / jnp.mean(w, axis=(1, 2), keepdims=True)
        target = weighted_token_peaks(importance, weight, stride=PATCH)
        found: dict[str, PerImage] = {"kd": jnp.zeros(batch.image.shape[0], jnp.float32)}
        if outputs.signal.symbols.size:
            found |= super().terms(outputs, batch, frozen)
            found["distortion"] = _weighted_mse(outputs.image, batch.image, w)
        if "lengths" in aux:
            found["rank"] = rank_margin(
                aux["lengths"], target.value, target.weight, margin=MARGIN, longest=self.longest
            )
        if "ntc" in aux:
            gains = aux["gains"] if self.free_rate else jax.lax.stop_gradient(aux["gains"])
            cost = jnp.sum(aux["bits"] / gains, axis=(1, 2)) + aux["bits_z"]
            found["distortion_ntc"] = _weighted_mse(aux["ntc"], batch.image, w)
            found["rate"] = cost / batch.image[0].size
        if "logits" in aux:
            bce = bce_distill(aux["logits"], target.value, target.weight)
            found["kd"] = bce + 0.5 * soft_dice(aux["logits"], target.value, target.weight)
        return found


def _labels_of(batch: Batch, scenario: Int[Array, "b"] | None) -> tuple[Float[Array, "b h w"], Float[Array, "b h w"]]:
    """Importance of each pixel, and 1 where that is known; nothing is known of pictures without labels."""
    labels = batch.labels
    if scenario is None or "ids" not in labels:
        nothing = jnp.zeros(batch.image.shape[:3], jnp.float32)
        return nothing, nothing
    weight = weight_map(labels["weight"], labels["ids"], scenario) > 0
    return importance_map(labels["importance"], labels["ids"], scenario), weight.astype(jnp.float32)


def _wordings() -> Array:
    """The training wordings of each scenario of scenes, as words: [s, wordings, length]."""
    told = [
        [tokens(text_of(s, i), TEXT_LENGTH) for i in range(TRAINING_WORDINGS)] for s in range(len(scenario_names()))
    ]
    return jnp.asarray(told, jnp.int32)


def _silent(b: int) -> Signal:
    """Nothing is sent."""
    return Signal(symbols=jnp.zeros((b, 0), jnp.complex64), used=jnp.zeros((b, 0), jnp.float32))


def _weighted_mse(image: Array, target: Array, w: Array) -> PerImage:
    return jnp.mean(w * jnp.mean(jnp.square(image - target), axis=-1), axis=(1, 2))


def _noise(keys: Keys, *shapes: tuple[int, ...]) -> tuple[Array, ...]:
    """Uniform noise in (-1/2, 1/2) for each picture, of each shape."""
    return tuple(
        jax.vmap(lambda key, shape=shape: jax.random.uniform(key, shape, minval=-0.5, maxval=0.5))(
            slot_keys(keys, NOISE_SLOT + i)
        )
        for i, shape in enumerate(shapes)
    )
