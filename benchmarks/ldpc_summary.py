"""What the files of `benchmarks/ldpc.py` say: a line per claim."""

import json
import pathlib
from collections.abc import Iterator

from ldpc_statistics import Row, holm

ALPHA = 0.01
APART_DB = 0.15
ABOVE_LIMIT_DB = (-0.1, 1.2)


def verdicts(folder: pathlib.Path) -> Iterator[str]:
    """The lines."""
    yield from same_rates(_rows(folder / "ldpc_bler.json"))
    yield from near(_rows(folder / "ldpc_gap.json"))
    yield from no_worse(_rows(folder / "ldpc_schedules.json"))
    yield from faster(_rows(folder / "ldpc_throughput.json"))


def same_rates(rows: list[Row]) -> Iterator[str]:
    """(a) the same block error rates by the same algorithm."""
    for row, p in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        yield (
            f"(a) {'pass' if p > ALPHA else 'FAIL'}: {row['rule']} at {row['ebn0_db']} dB: {row['ours_bler']:.4f} of "
            f"{row['ours_blocks']} here, {row['sionna_bler']:.4f} of {row['sionna_blocks']} there, "
            f"p {row['p_value']:.3f}, {p:.3f} corrected for {len(rows)} tests; {row['same_llr_same_outcome']:.2%} of "
            f"{row['same_llr_blocks']} blocks with the same llr end alike"
        )


def no_worse(rows: list[Row]) -> Iterator[str]:
    """(c) the block error rates of the layered decoders."""
    for row in rows:
        there = {name: row[f"sionna_bler_beside_{name}"] for name in ("sum_product", "offset_min_sum")}
        yield (
            f"(c) {row['rule']} {row['schedule']}, early stop, at {row['ebn0_db']} dB: {row['ours_bler']:.4f}; "
            f"Sionna by flooding: {', '.join(f'{name} {rate:.4f}' for name, rate in there.items())}"
        )


def near(rows: list[Row]) -> Iterator[str]:
    """(b) the same SNR as there, and close to what codes of this length can do."""
    for row in rows:
        name, apart, above = f"({row['k']}, {row['n']})", row["difference_db"], row["gap_50_iterations_db"]
        if apart is None or above is None:
            yield f"(b) FAIL: {name}: no crossing found"
            continue
        low, high = ABOVE_LIMIT_DB
        between = (
            ""
            if row["difference_low_db"] is None
            else (f" [{row['difference_low_db']:+.3f}, {row['difference_high_db']:+.3f}]")
        )
        yield (
            f"(b) {'pass' if abs(apart) <= APART_DB else 'FAIL'}: {name}: {row['ours_db']:.3f} dB here, "
            f"{row['sionna_db']:.3f} dB there, {apart:+.3f}{between} dB; {row['sionna_blocks']} blocks a point; "
            f"{row['same_llr_same_outcome']:.2%} of {row['same_llr_blocks']} blocks with the same llr end alike"
        )
        yield (
            f"(b) {'pass' if low <= above <= high else 'FAIL'}: {name}: after 50 iterations "
            f"{row['ours_50_iterations_db']:.3f} dB, {above:+.3f} dB from the normal approximation"
        )


def faster(rows: list[Row]) -> Iterator[str]:
    """(c) throughput."""
    for row in rows:
        if row["error"]:
            yield f"(c) {row['beside']} {row['case']}: {row['error']}"
            continue
        ratio = (
            ""
            if row["ratio_to_sionna"] is None
            else (f", {row['ratio_to_sionna']:.1f} x Sionna's best ({row['ratio_min']:.1f} to {row['ratio_max']:.1f})")
        )
        yield f"(c) {row['beside']}: {row['case']}: {row['mbit_per_s']:.3f} Mbit/s{ratio}"


def _rows(path: pathlib.Path) -> list[Row]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
