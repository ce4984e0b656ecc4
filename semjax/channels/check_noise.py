"""Checks of the noise: its variance for every picture, what is said of it, where it is, and its distribution."""

import numpy as np

from semjax.channels.probe import Evidence
from semjax.channels.report import Finding, decibel, distance, distance_limit

TOLERANCE_DB = 0.1


def _worst(error_db: np.ndarray) -> float:
    return float(error_db[np.argmax(np.abs(error_db))])


def _variance(seen: Evidence) -> Finding:
    wide = seen.wide
    reference = wide.nominal if seen.bare else wide.noise_var
    worst = _worst(decibel(np.mean(np.abs(wide.noise) ** 2 / np.maximum(reference, 1e-30), axis=1)))
    meant = "10^(-snr_db/10)" if seen.bare else "noise_var (the channel equalises; the gain checks tie it to snr_db)"
    return Finding(
        name="noise variance",
        ok=abs(worst) <= TOLERANCE_DB,
        measured=f"worst picture {worst:+.2f} dB from {meant}",
        expected=f"within {TOLERANCE_DB} dB for every picture",
        explanation="snr_db is the average Es/N0 per complex use of a unit-power transmitter, whatever h and whatever "
        "was sent. +3 dB: the variance was given to each real dimension; -3 dB: half of it is missing; different per "
        "picture: noise scaled by the received power, or an equaliser whose channel declares no `law`.",
    )


def _stated(seen: Evidence) -> Finding:
    wide = seen.wide
    ratio = np.mean(np.abs(wide.noise) ** 2 / np.maximum(wide.noise_var, 1e-30), axis=1)
    worst = _worst(decibel(ratio))
    return Finding(
        name="noise_var is true",
        ok=abs(worst) <= TOLERANCE_DB,
        measured=f"worst picture {worst:+.2f} dB from the noise_var handed over",
        expected=f"within {TOLERANCE_DB} dB for every picture",
        explanation="the receiver decodes with noise_var; an equaliser must scale it as it scales the noise.",
    )


def _beyond(seen: Evidence) -> Finding:
    wide = seen.wide
    sent = wide.used[0] > 0
    whitened = np.abs(wide.noise) ** 2 / np.maximum(wide.noise_var, 1e-30)
    power = _worst(decibel(np.mean(whitened[:, ~sent], axis=1) / np.maximum(np.mean(whitened[:, sent], axis=1), 1e-30)))
    stated = _worst(
        decibel(
            np.median(wide.noise_var[:, ~sent], axis=1) / np.maximum(np.median(wide.noise_var[:, sent], axis=1), 1e-30)
        )
    )
    return Finding(
        name="noise beyond used",
        ok=abs(power) <= 1.5 * TOLERANCE_DB and abs(stated) <= 3 * TOLERANCE_DB,
        measured=f"unused against used symbols: noise {power:+.2f} dB, median noise_var {stated:+.2f} dB",
        expected=f"noise within {1.5 * TOLERANCE_DB:.2f} dB, median noise_var within {3 * TOLERANCE_DB:.1f} dB",
        explanation="noise covers the whole grid: a receiver that finds silence or another noise_var beyond the used "
        "symbols reads off their number for free.",
    )


def _circular(seen: Evidence) -> Finding:
    whitened = seen.wide.noise / np.sqrt(np.maximum(seen.wide.noise_var, 1e-30))
    energy = max(float(np.mean(np.abs(whitened) ** 2)), 1e-30)
    skew = abs(complex(np.mean(whitened**2))) / energy
    return Finding(
        name="noise is circular",
        ok=skew < 0.01,
        measured=f"|E n^2| / E|n|^2 = {skew:.4f}",
        expected="below 0.01",
        explanation="half of the variance belongs to each real dimension, uncorrelated.",
    )


def _gaussian(seen: Evidence) -> Finding:
    power = np.abs(seen.wide.noise.astype(np.complex128)) ** 2 / np.maximum(seen.wide.noise_var, 1e-30)
    measured = distance(-np.expm1(-np.ravel(power / max(float(np.mean(power)), 1e-30))))
    limit = 2 * distance_limit(power.size)
    return Finding(
        name="noise is Gaussian",
        ok=measured < limit,
        measured=f"distance of |n|^2 from the exponential law {measured:.4f}",
        expected=f"below {limit:.4f}",
        explanation="the noise is CN(0, noise_var), for every symbol by its own noise_var.",
    )


def _independent(seen: Evidence) -> Finding:
    noise = seen.wide.noise
    norm = np.maximum(np.sqrt(np.sum(np.abs(noise) ** 2, axis=1)), 1e-30)
    correlation = np.abs(noise @ np.conj(noise.T)) / np.outer(norm, norm)
    worst = float(np.max(correlation - np.diag(np.diag(correlation))))
    return Finding(
        name="noise is a picture's own",
        ok=worst < 0.05,
        measured=f"largest correlation between two pictures {worst:.4f}",
        expected="below 0.05",
        explanation="every picture has its own key; one draw must not serve the whole batch.",
    )


def noise_findings(seen: Evidence) -> list[Finding]:
    """Runs every check of the noise."""
    return [check(seen) for check in (_variance, _stated, _beyond, _circular, _gaussian, _independent)]
