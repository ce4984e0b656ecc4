"""Modulation and coding schemes of 5G NR: TS 38.214 (Release 17), Tables 5.1.3.1-1 to 5.1.3.1-4.

    efficiency = bits per symbol * target code rate        [information bits per complex use, before any overhead]

An index is what the standard signals as I_MCS, 0 to 31; the last indices of every table are reserved: they announce a
retransmission and carry a modulation but no code rate.
"""

import dataclasses

INDICES = 32
"""I_MCS has five bits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MCS:
    """One row of a table.

    Attributes:
      bits_per_symbol: Q_m.
      code_rate_1024: target code rate times 1024, as printed.
      index: I_MCS.
      table: name of the table in `TABLES`.
    """

    bits_per_symbol: int
    code_rate_1024: float
    index: int
    table: str

    @property
    def code_rate(self) -> float:
        """The target code rate R, information bits per coded bit."""
        return self.code_rate_1024 / 1024

    @property
    def efficiency(self) -> float:
        """Information bits per complex use."""
        return self.bits_per_symbol * self.code_rate


QPSK_RATES = (120.0, 157.0, 193.0, 251.0, 308.0, 379.0, 449.0, 526.0, 602.0, 679.0)
QAM16_RATES = (340.0, 378.0, 434.0, 490.0, 553.0, 616.0, 658.0)
QAM64_RATES = (438.0, 466.0, 517.0, 567.0, 616.0, 666.0, 719.0, 772.0, 822.0, 873.0, 910.0, 948.0)
QAM256_RATES = (682.5, 711.0, 754.0, 797.0, 841.0, 885.0, 916.5, 948.0)

Rows = dict[int, tuple[float, ...]]
"""Bits per symbol → code rates times 1024, in the order of the indices."""

ROWS: dict[str, Rows] = {
    "64qam": {2: QPSK_RATES, 4: QAM16_RATES, 6: QAM64_RATES},
    "256qam": {2: QPSK_RATES[::2], 4: QAM16_RATES[1:], 6: QAM64_RATES[1:10], 8: QAM256_RATES},
    "low_se": {
        2: (30.0, 40.0, 50.0, 64.0, 78.0, 99.0, *QPSK_RATES[:9]),
        4: QAM16_RATES[:6],
        6: QAM64_RATES[:8],
    },
    "1024qam": {
        2: (120.0, 193.0, 449.0),
        4: (378.0, 490.0, 616.0),
        6: QAM64_RATES[1:10],
        8: QAM256_RATES,
        10: (805.5, 853.0, 900.5, 948.0),
    },
}


def _table(name: str) -> tuple[MCS, ...]:
    pairs = [(bits, rate) for bits, rates in ROWS[name].items() for rate in rates]
    return tuple(
        MCS(bits_per_symbol=bits, code_rate_1024=rate, index=index, table=name)
        for index, (bits, rate) in enumerate(pairs)
    )


TABLES: dict[str, tuple[MCS, ...]] = {name: _table(name) for name in ROWS}
"""Tables 5.1.3.1-1 ("64qam"), -2 ("256qam"), -3 ("low_se": low spectral efficiency) and -4 ("1024qam")."""


def mcs(table: str, index: int) -> MCS:
    """Looks up one modulation and coding scheme.

    Args:
      table: "64qam", "256qam", "low_se" or "1024qam".
      index: I_MCS.

    Returns:
      The row.

    Raises:
      ValueError: unknown table, or an index that is reserved or out of range.

    Reference:
      TS 38.214, clause 5.1.3.1.

    >>> mcs("64qam", 10).efficiency
    1.328125
    """
    if table not in TABLES:
        raise ValueError(f"MCS table {table!r} is unknown; allowed: {', '.join(TABLES)}")
    rows = TABLES[table]
    if not 0 <= index < len(rows):
        reserved = f"{len(rows)} to {INDICES - 1} are reserved for retransmissions"
        raise ValueError(f"MCS index {index} of table {table!r} has no row; allowed: 0 to {len(rows) - 1} ({reserved})")
    return rows[index]
