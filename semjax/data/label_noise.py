"""Labels of scenes spoilt on purpose: some say a wrong level, some failed, as those of a real teacher do.

What is spoilt depends on (seed, split, index) of the scene alone: on no order, batch or size of picture. A label that
is wrong, or failed, at one share is so at every larger one.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float32

from semjax.data.files import DataError
from semjax.scenes.scenarios import LEVELS
from semjax.scenes.world import SPLITS

STREAM = 0x6C6162656C
"""Sets these draws apart from others made of the same seed."""

Labels = Float32[np.ndarray, "s m"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelNoise:
    """How the labels of regions that are there are spoilt, each independently under each scenario.

    Attributes:
      wrong: probability that a label says another of `scenarios.LEVELS`, each other level alike.
      failed: probability that it failed: importance 0, weight 0.
      failed_as_zero: failed labels keep their weight, as if they said importance 0: the mistake to compare with.
    """

    wrong: float = 0.0
    failed: float = 0.0
    failed_as_zero: bool = False

    def __post_init__(self) -> None:
        for name in ("wrong", "failed"):
            share = getattr(self, name)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
                raise DataError(f"{name}={share!r} of scenes must be a share of the labels, between 0 and 1")
        if not isinstance(self.failed_as_zero, bool):
            raise DataError(f"failed_as_zero={self.failed_as_zero!r} of scenes must be True or False")

    def __bool__(self) -> bool:
        return bool(self.wrong or self.failed)

    def __call__(
        self, importance: Labels, valid: Bool[np.ndarray, "m"], *, seed: int, split: str, index: int
    ) -> tuple[Labels, Labels]:
        """Importance and weight of the labels of one scene.

        Args:
          importance: the truth.
          valid: False on empty slots.
          seed, split, index: which scene it is.

        Returns:
          float32[s, m] each.
        """
        weight = np.broadcast_to(valid, importance.shape).astype(np.float32)
        if not self:
            return importance, weight
        # Raw bits of a counter-based generator: numpy promises never to change them.
        place = np.random.SeedSequence([STREAM, seed % 2**64, SPLITS.index(split), index])
        bits = np.random.Philox(place).random_raw(3 * importance.size)
        moved, step, fails = ((bits >> np.uint64(11)) * 2.0**-53).reshape(3, *importance.shape)
        level = np.abs(importance[..., None] - np.array(LEVELS)).argmin(-1)
        other = (level + 1 + (step * (len(LEVELS) - 1)).astype(int)) % len(LEVELS)
        said = np.where(valid & (moved < self.wrong), np.array(LEVELS, np.float32)[other], importance)
        failed = valid & (fails < self.failed)
        return np.where(failed, np.float32(0), said), weight if self.failed_as_zero else weight * ~failed
