"""The links by name: how the integer streams of a system may travel."""

import functools
from collections.abc import Callable

from semjax.contracts import Channel
from semjax.link.coded import CodedLink
from semjax.link.policy import Policy
from semjax.link.transport import Transport, ideal_link

Links = Callable[[Channel], Transport]
"""Gives the link that runs over a channel; raises ValueError if it knows too little of that channel."""


def _ideal(policy: Policy) -> Links:
    return ideal_link


def _coded_link(channel: Channel, policy: Policy) -> CodedLink:
    return CodedLink(channel=channel, policy=policy)


def _coded(policy: Policy) -> Links:
    return functools.partial(_coded_link, policy=policy)


LINKS: dict[str, Callable[[Policy], Links]] = {"ideal": _ideal, "coded": _coded}
"""From a policy, which only the coded link has need of, to the links."""
