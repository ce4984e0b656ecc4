"""MCS tables against the printed efficiencies of TS 38.214 and their order."""

import numpy as np
import pytest

from semjax.phy.mcs import TABLES, mcs
from semjax.phy.qam import MODULATIONS

# The printed column "spectral efficiency", four digits after the point.
PRINTED = {
    "64qam": """0.2344 0.3066 0.3770 0.4902 0.6016 0.7402 0.8770 1.0273 1.1758 1.3262 1.3281 1.4766 1.6953 1.9141 2.1602
        2.4063 2.5703 2.5664 2.7305 3.0293 3.3223 3.6094 3.9023 4.2129 4.5234 4.8164 5.1152 5.3320 5.5547""",
    "256qam": """0.2344 0.3770 0.6016 0.8770 1.1758 1.4766 1.6953 1.9141 2.1602 2.4063 2.5703
    2.7305 3.0293 3.3223 3.6094
        3.9023 4.2129 4.5234 4.8164 5.1152 5.3320 5.5547 5.8906 6.2266 6.5703 6.9141 7.1602 7.4063""",
    "low_se": """0.0586 0.0781 0.0977 0.1250 0.1523 0.1934 0.2344 0.3066 0.3770 0.4902 0.6016
    0.7402 0.8770 1.0273 1.1758
        1.3281 1.4766 1.6953 1.9141 2.1602 2.4063 2.5664 2.7305 3.0293 3.3223 3.6094 3.9023 4.2129 4.5234""",
    "1024qam": """0.2344 0.3770 0.8770 1.4766 1.9141 2.4063 2.7305 3.0293 3.3223 3.6094 3.9023
    4.2129 4.5234 4.8164 5.1152
        5.3320 5.5547 5.8906 6.2266 6.5703 6.9141 7.1602 7.4063 7.8662 8.3301 8.7939 9.2578""",
}
# Where the modulation changes, counted from the first index of the new one.
SWITCHES = {"64qam": [10, 17], "256qam": [5, 11, 20], "low_se": [15, 21], "1024qam": [3, 6, 15, 23]}
NAMES = pytest.mark.parametrize("name", list(TABLES))


@NAMES
def test_efficiencies_are_those_printed(name):
    printed = np.array(PRINTED[name].split(), float)
    np.testing.assert_allclose([row.efficiency for row in TABLES[name]], printed, atol=0.500001e-4)


@NAMES
def test_rows(name):
    rows = TABLES[name]
    assert [row.index for row in rows] == list(range(len(rows)))
    assert all(row.table == name and row.bits_per_symbol in MODULATIONS and 0 < row.code_rate < 1 for row in rows)
    modulation = np.array([row.bits_per_symbol for row in rows])
    assert list(np.flatnonzero(np.diff(modulation)) + 1) == SWITCHES[name]
    falls = np.flatnonzero(np.diff([row.efficiency for row in rows]) <= 0) + 1
    # Table 1 alone has a row, 17, that carries a little less than the one before.
    assert list(falls) == ([17] if name == "64qam" else [])


def test_lookup():
    assert mcs("64qam", 28) == TABLES["64qam"][28]
    assert mcs("1024qam", 23).code_rate == 805.5 / 1024
    with pytest.raises(ValueError, match=r"29 of table '64qam'.*allowed: 0 to 28.*29 to 31 are reserved"):
        mcs("64qam", 29)
    with pytest.raises(ValueError, match=r"allowed: 0 to 26.*27 to 31 are reserved"):
        mcs("1024qam", -1)
    with pytest.raises(ValueError, match="allowed: 64qam, 256qam, low_se, 1024qam"):
        mcs("qam64", 0)
