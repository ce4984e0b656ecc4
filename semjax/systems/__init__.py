"""Complete systems: a transmitter and a receiver composed of parts, with their loss terms and phases, by name."""

from semjax.codecs import CODECS
from semjax.systems import separation
from semjax.systems.jscc import build_deepjscc, build_deepjscc_public, build_linear
from semjax.systems.sa_oosc import build_sa_oosc
from semjax.systems.swinjscc import build_swinjscc, build_swinjscc_public

SYSTEMS = {
    "linear": build_linear,
    "deepjscc": build_deepjscc,
    "deepjscc_public": build_deepjscc_public,
    "sa_oosc": build_sa_oosc,
    "swinjscc": build_swinjscc,
    "swinjscc_public": build_swinjscc_public,
    **{f"separation_{name}": separation.builder(name) for name in CODECS},
}
