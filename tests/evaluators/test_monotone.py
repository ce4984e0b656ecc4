"""Steps of a sweep in SNR and in rate, and those that go down."""

import math

from semjax.evaluators import monotone, numbers


def row(rate: float, snr_db: float, mean: float, **more: object) -> dict[str, object]:
    words = {"system": "a", "variant": "default", "checkpoint": "", "dataset": "d", "split": "", "channel": "awgn"}
    place = {"csi": "none", "metric": "psnr", "rate": rate, "cbr_total": rate / 8, "snr_db": snr_db}
    return {**words, **place, "told_snr_db": snr_db, "mean": mean, **more}


def grid(means: list[list[float]]) -> list[dict[str, object]]:
    return [
        row(rate, snr, m)
        for rate, at in zip((0.5, 1.0), means, strict=True)
        for snr, m in zip((1, 4, 7), at, strict=True)
    ]


def test_every_step_is_looked_at() -> None:
    rows = grid([[20.0, 22.0, 23.0], [21.0, 23.0, 23.0]])
    other = [
        row(0.5, 1.0, 0.0, channel="rayleigh"),
        row(0.5, 1.0, 0.0, told_snr_db=7.0),
        row(0.5, 1.0, 9.0, metric="ssim"),
    ]
    assert len(list(monotone.steps(rows + other[:1]))) == 2 * 2 + 3
    assert monotone.falls(rows + other) == []
    assert numbers.rising(rows) == "PSNR (dB) rises with SNR and with cbr: all 7 steps go up."
    assert numbers.rising(rows[:1]) == ""


def test_steps_down_are_found_along_both_and_named() -> None:
    rows = grid([[20.0, 22.0, 21.5], [21.0, 21.75, math.nan]])
    found = {(s.along, s.start["snr_db"], s.end["snr_db"], s.end["rate"]) for s in monotone.falls(rows)}
    assert found == {("snr_db", 4, 7, 0.5), ("snr_db", 4, 7, 1.0), ("cbr_total", 4, 4, 1.0), ("cbr_total", 7, 7, 1.0)}
    said = numbers.rising(rows)
    assert said.startswith("PSNR (dB) does not rise at 4 of 7 steps in SNR or cbr: ")
    assert "a over awgn at cbr 1/16 from 4 to 7 dB: -0.50" in said
    assert "a over awgn at 4 dB from cbr 1/16 to 1/8: -0.25" in said
