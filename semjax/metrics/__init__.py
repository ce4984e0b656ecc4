"""How good a picture is: pure functions, one number per picture; `METRICS` scores the 8-bit picture a viewer gets.

`SIGNAL_METRICS` is of what is sent: functions of the symbols and of which of them are used.
"""

from collections.abc import Callable

from semjax.metrics.pairs import quantize
from semjax.metrics.peak import MAX_PSNR_DB, mse_to_psnr, mse_uint8, psnr, psnr_of_mean_mse
from semjax.metrics.power import papr_db, power_p999_db
from semjax.metrics.region import RegionScore, importance_weighted_psnr, masked_ssim, region_psnr
from semjax.metrics.saliency_index import vsi
from semjax.metrics.structural import MS_SSIM_MIN_SIDE, ms_ssim, ssim, ssim_map
from semjax.types import Image, PerImage, Symbols, Used

Metric = Callable[[Image, Image], PerImage]
SignalMetric = Callable[[Symbols, Used], PerImage]

__all__ = [
    "MAX_PSNR_DB",
    "METRICS",
    "MS_SSIM_MIN_SIDE",
    "SIGNAL_METRICS",
    "Metric",
    "RegionScore",
    "SignalMetric",
    "importance_weighted_psnr",
    "masked_ssim",
    "ms_ssim",
    "mse_to_psnr",
    "mse_uint8",
    "papr_db",
    "power_p999_db",
    "psnr",
    "psnr_of_mean_mse",
    "quantize",
    "region_psnr",
    "ssim",
    "ssim_map",
    "vsi",
]


def _on_uint8(metric: Metric) -> Metric:
    def score(image: Image, target: Image) -> PerImage:
        return metric(quantize(image), quantize(target))

    return score


METRICS: dict[str, Metric] = {
    "psnr": psnr,
    "ssim": _on_uint8(ssim),
    "ms_ssim": _on_uint8(ms_ssim),
    "vsi": _on_uint8(vsi),
    "mse": mse_uint8,
}

SIGNAL_METRICS: dict[str, SignalMetric] = {"papr_db": papr_db, "power_p999_db": power_p999_db}
