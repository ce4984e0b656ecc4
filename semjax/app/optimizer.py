"""The optimiser that section `optim` of a configuration describes."""

from semjax.app.config import Config
from semjax.app.errors import explained
from semjax.training import optim


def make_optimizer(cfg: Config) -> optim.Optimizer:
    """The optimiser of a resolved configuration.

    Raises:
      ConfigError: settings it refuses.
    """
    o = cfg.optim
    with explained("optim"):
        schedule = optim.make_schedule(lr=o.lr, schedule=o.schedule, warmup=o.warmup, total_steps=cfg.train.steps)
        return optim.adamw(
            schedule=schedule,
            weight_decay=o.weight_decay,
            clip=o.clip or 0.0,
            b1=o.b1,
            b2=o.b2,
            rules=o.rules,
            ema_decay=o.ema_decay,
        )
