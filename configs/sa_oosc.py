"""SA-OOSC: the scenario's importance decides how many channel symbols each part of a picture gets.

:quick   scenes of 128 x 128, a few hundred steps, to see that everything works
         python train.py --config configs/sa_oosc.py:quick --workdir runs/sa_oosc_quick
         python eval.py --checkpoint runs/sa_oosc_quick
         hardware: two CPU cores, some minutes; PSNR: not yet measured

Variants of the same networks: --config.system.variant=oracle, roi, uniform_weighted, uniform or student_text.
"""

from ml_collections import ConfigDict

VARIANTS = ("quick",)


def get_config(arg: str = "quick") -> ConfigDict:
    """The configuration of a variant."""
    return dict(zip(VARIANTS, (quick,), strict=True))[arg]()


def quick() -> ConfigDict:
    """Scenes, small networks, four short phases."""
    scenes = {"source": "scenes", "size": 128, "truth": True}
    small = {"name": "residual_conv", "modulation": "none"}
    transform = {"distortion_ntc": 250.0, "rate": 1.0}
    channel = {"snr_db": (0.0, 14.0), "rate": (0.5, 1.0)}
    return ConfigDict(
        {
            "system": {"name": "sa_oosc"},
            "encoder": {**small, "widths": (16, 32, 64, 96), "blocks": (0, 0, 1, 1)},
            "decoder": {**small, "widths": (96, 64, 32, 16), "blocks": (1, 1, 0, 0)},
            "phases": (
                {"name": "transform", "fraction": 0.4, "weights": transform, "trainable": "analysis|synthesis|entropy"},
                {"name": "student", "fraction": 0.2, "weights": {"kd": 1.0}, "trainable": "importance"},
                {
                    "name": "code",
                    "fraction": 0.2,
                    "weights": {"distortion": 250.0},
                    "trainable": "coder|restorer",
                    **channel,
                },
                {
                    "name": "joint",
                    "fraction": 0.2,
                    "weights": {"distortion": 250.0, **transform, "kd": 0.1, "rank": 0.1},
                    "lr_scale": 0.3,
                    **channel,
                },
            ),
            "data": {"train": {**scenes, "split": "train", "crop": 128, "flip": "none"}, "batch_size": 8},
            "optim": {"lr": 1e-3, "warmup": 20, "clip": 1.0, "ema_decay": 0.98},
            "train": {"steps": 400, "log_every": 20, "checkpoint_every": 100},
            "eval": {
                "data": {**scenes, "split": "test", "count": 64},
                "scenario": "drawn",
                "metrics": ("psnr", "psnr_high", "psnr_low", "iw_psnr", "ssim"),
                "rates": (0.5, 1.0),
                "baselines": ("linear",),
            },
        }
    )
