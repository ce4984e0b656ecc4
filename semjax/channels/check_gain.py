"""Checks of the gain: linearity, channel knowledge, and the law that the channel declares."""

import numpy as np

from semjax.channels.law import NO_FADING, Law
from semjax.channels.probe import Evidence
from semjax.channels.report import Finding, decibel, distance, distance_limit


def _linear(seen: Evidence) -> Finding:
    wide = seen.wide
    error = np.abs(wide.loud - wide.noise - wide.gain * wide.loud_sent)
    scale = np.abs(wide.loud) + np.abs(wide.noise) + np.abs(wide.gain * wide.loud_sent)
    worst = float(np.nanmax(error / np.maximum(scale, 1e-30)))
    return Finding(
        name="never rescales",
        ok=worst < 1e-3,
        measured=f"y(t) - y(0) differs from gain * t by {worst:.1e} for pictures of power 0.25, 1 and 4",
        expected="below 1e-3",
        explanation="power is the transmitter's business, per picture; a channel that normalises (over the batch, say) "
        "or whose noise follows the signal's power is not linear in what is sent.",
    )


def _knowledge(seen: Evidence) -> Finding:
    tall = seen.tall
    pilots = float(np.mean(tall.uses.get("pilots", np.zeros(1))))
    error = np.abs(tall.gain - tall.csi) ** 2 / np.maximum(tall.noise_var, 1e-30)
    if pilots:
        measured = float(np.mean(error[:, 0])) * pilots
        ok, expected = abs(measured - 1) < 0.06, "1 within 0.06 (least squares)"
        text = f"error of csi = {measured:.3f} x noise_var / pilots"
    else:
        measured = float(np.max(error))
        ok, expected, text = measured < 1e-4, "below 1e-4", f"largest |gain - csi|^2 / noise_var = {measured:.1e}"
    return Finding(
        name="csi is true",
        ok=ok,
        measured=text,
        expected=expected,
        explanation="symbols = csi * s + noise (csi None means 1); an estimate costs uses['pilots'].",
    )


def _constant(seen: Evidence) -> list[Finding]:
    worst = float(np.nanmax(np.abs(seen.tall.gain - 1)))
    finding = Finding(
        name="gain is 1",
        ok=worst < 1e-3,
        measured=f"largest |gain - 1| = {worst:.1e}",
        expected="below 1e-3",
        explanation="this channel declares, or seems to have, no fading.",
    )
    return [finding]


def _mean(seen: Evidence) -> Finding:
    mean = float(np.mean(seen.tall.received_power[:, 0]))
    return Finding(
        name="average Es/N0",
        ok=abs(mean - 1) < 0.04,
        measured=f"E|h|^2 = {mean:.3f}, from the received Es/N0 over the stated one",
        expected="1 within 0.04",
        explanation="fading neither adds nor takes power on average; noise measured after fading, or a wrong noise "
        "variance before an equaliser, show here.",
    )


def _own(seen: Evidence) -> Finding:
    gain = seen.tall.gain[:, 0]
    if seen.bare and float(np.std(np.abs(gain))) < 1e-3:  # a carrier phase alone: only h itself can tell pictures apart
        what, values = "h", gain
    else:
        what, values = "|h|^2", seen.tall.received_power[:, 0]
    spread = float(np.std(values))
    even, odd = values[0::2] - np.mean(values), values[1::2] - np.mean(values)
    correlation = float(np.real(np.mean(even * np.conj(odd)))) / max(spread**2, 1e-12)
    return Finding(
        name="gain is a picture's own",
        ok=spread > 1e-3 and abs(correlation) < 0.08,
        measured=f"over a batch: std of {what} {spread:.3f}, correlation of neighbours {correlation:+.3f}",
        expected="std above 0.001 and correlation below 0.08",
        explanation="h is drawn per picture from its own key, not once for the batch. Fading that follows the "
        "noise, or noise that follows the fading, leaves no spread at all.",
    )


def _phase(seen: Evidence) -> Finding:
    gain = seen.tall.gain[:, 0]
    if seen.law is not None and seen.law.phase == "uniform":
        measured = distance(np.angle(gain) / (2 * np.pi) + 0.5)
        limit = distance_limit(gain.size)
        ok, text, expected = measured < limit, f"distance from uniform {measured:.4f}", f"below {limit:.4f}"
    else:
        measured = float(np.std(np.angle(gain)))
        ok, text, expected = measured > 1e-3, f"std {measured:.4f} rad", "above 0.001 rad"
    return Finding(
        name="gain has a phase",
        ok=ok,
        measured=text,
        expected=expected,
        explanation="h is complex: fading by a magnitude spares the receiver the unknown rotation.",
    )


def _apart(seen: Evidence) -> Finding:
    gain, noise = seen.tall.gain[:, 0], seen.tall.noise
    scale = np.sqrt(
        max(float(np.mean(np.abs(gain) ** 2)), 1e-30) * np.maximum(np.mean(np.abs(noise) ** 2, axis=0), 1e-30)
    )
    products = np.stack([np.mean(gain[:, None] * noise, axis=0), np.mean(gain[:, None] * np.conj(noise), axis=0)])
    worst = float(np.max(np.abs(products) / scale))
    return Finding(
        name="gain and noise are independent",
        ok=worst < 0.05,
        measured=f"largest correlation {worst:.4f}",
        expected="below 0.05",
        explanation="derive one key per purpose: the same key for both makes the noise a copy of the gain.",
    )


def _distribution(seen: Evidence, law: Law) -> Finding:
    power = seen.tall.received_power[:, 0]
    measured, limit = distance(law.power_cdf(power)), distance_limit(power.size)
    return Finding(
        name="law of |h|^2",
        ok=measured < limit,
        measured=f"distance from {law.name}: {measured:.4f}",
        expected=f"below {limit:.4f}",
        explanation="the received Es/N0, over the average one, has the declared law whatever the equaliser.",
    )


def _spread(seen: Evidence, law: Law) -> Finding:
    measured, expected = float(np.std(decibel(seen.tall.received_power[:, 0]))), law.power_spread_db()
    return Finding(
        name="received Es/N0 spread",
        ok=abs(measured - expected) < 0.05 * expected,
        measured=f"{measured:.2f} dB over pictures",
        expected=f"{expected:.2f} dB within 5 %",
        explanation="5.57 dB for Rayleigh; near 0 dB means that the noise was scaled by the received power, which "
        "cancels the fading.",
    )


def _coherence(seen: Evidence, law: Law) -> Finding:
    power = seen.wide.received_power[:, seen.wide.used[0] > 0]
    within = float(np.max(np.std(power, axis=1) / np.maximum(np.mean(power, axis=1), 1e-30)))
    lasting = np.std(seen.tall.received_power[:, 0]) or 1.0
    steady = law.coherence == "block"
    return Finding(
        name="coherence",
        ok=within < 1e-2 if steady else within > 0.5 * float(lasting),
        measured=f"|h|^2 varies by {within:.4f} within a picture",
        expected="below 0.01 (block)" if steady else f"about {float(lasting):.2f} (fast)",
        explanation="block fading: one h per picture; fast fading: one per symbol.",
    )


def gain_findings(seen: Evidence) -> list[Finding]:
    """Runs every check of the gain that the channel's law, declared or not, calls for."""
    generic = [_linear(seen), _knowledge(seen)]
    if seen.law is NO_FADING or (seen.law is None and float(np.nanmax(np.abs(seen.tall.gain - 1))) < 1e-3):
        return generic + _constant(seen)
    generic += [_mean(seen), _own(seen)]
    if seen.bare:
        generic += [_phase(seen), _apart(seen)]
    if seen.law is None:
        return generic
    return generic + [check(seen, seen.law) for check in (_distribution, _spread, _coherence)]
