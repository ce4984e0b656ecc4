"""The digital link that a configuration asks for, and whether it can run over a channel."""

from typing import Any

from semjax.app.errors import ConfigError, UserError
from semjax.contracts import Channel, Trainable
from semjax.link.choice import LINKS, Links
from semjax.link.policy import TargetError


def check_link(trainable: Trainable, name: str, channel: Channel, links: Links) -> None:
    """Makes sure that the digital streams of a system, if it has any, can be carried over a channel.

    Raises:
      UserError: the link knows too little of the channel.
    """
    if trainable.side_codecs:
        try:
            _ = links(channel).terms
        except ValueError as error:
            raise UserError(
                f"channel {name}: the system sends {', '.join(sorted(trainable.side_codecs))} digitally, and {error}; "
                "or take another channel"
            ) from error


def fitted(trainable: Trainable, channel: Channel) -> Trainable:
    """The system with its message made to the measure of a channel, if it does that (it has `over`), or as it is."""
    over = getattr(trainable, "over", None)
    return trainable if over is None else over(channel)


def check_sends(trainable: Trainable, name: str, *, instead: str) -> None:
    """Makes sure that what was trained has two ends with a channel between them.

    Raises:
      UserError: it has not, as a network that only looks at pictures; the message says what to do `instead`.
    """
    if "transmit" not in trainable.predict_fns():
        raise UserError(f"{name} looks at pictures and sends none; {instead}")


def links_of(cfg: Any, trainable: Trainable) -> Links:
    """The digital link over each channel: a system's own, if it brings one along (`links`), or as `eval` names it.

    Raises:
      ConfigError: a share of messages that cannot be lost.
    """
    try:
        policy = TargetError(target=cfg.eval.target_bler, block_fading=cfg.eval.target_bler_block_fading)
    except ValueError as error:
        raise ConfigError(f"eval.target_bler, eval.target_bler_block_fading: {error}") from error
    return getattr(trainable, "links", None) or LINKS[cfg.eval.side_link](policy)
