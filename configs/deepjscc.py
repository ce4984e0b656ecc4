"""DeepJSCC: analog joint source-channel coding of pictures at a fixed rate, learned.

:quick        a first result on two CPU cores: procedural scenes of 64x64, cbr 1/12, starting at the linear transform
              python train.py --config configs/deepjscc.py:quick --workdir runs/quick
              python eval.py --checkpoint runs/quick
              hardware: two CPU cores, a minute; 10 dB AWGN: 25.5 dB, linear code 24.4 (64 test scenes, seed 0)
:public       the published form (156 k parameters, random start), pictures of 32x32 in an .npz file
              python train.py --config configs/deepjscc.py:public --workdir runs/public \\
                  --config.data.train.path=FILE.npz --config.data.train.key=ARRAY
              hardware: one accelerator, or a day of CPU; time and PSNR: not yet measured
:cifar        raw 32x32 pictures (cifar10_lossless under SEMJAX_DATA: 2,900 of them), starting at the linear transform
              python train.py --config configs/deepjscc.py:cifar --workdir runs/cifar
              hardware: two CPU cores; time and PSNR: not yet measured
:natural      96x96 crops of natural pictures (bsds500 and imagenet_sample under SEMJAX_DATA, or archives of your own)
              python train.py --config configs/deepjscc.py:natural --workdir runs/natural
              hardware: two CPU cores, 46 minutes; 10 dB AWGN, Kodak: 30.5 dB, linear code 29.1 (docs/results.md)
:accelerator  wider networks, 128x128 crops, bfloat16
              python train.py --config configs/deepjscc.py:accelerator --workdir runs/big
              hardware: one accelerator; time and PSNR: not yet measured
:scenes       scenes of 128x128 at cbr 1/48, to stand beside SA-OOSC: data, SNRs and size of its networks
              python train.py --config configs/deepjscc.py:scenes --workdir runs/deepjscc_scenes_0 --config.seed=0
              hardware: one H200, 3 minutes, scenes drawn before; test scenes at cbr 1/48: docs/sa_oosc_results.md
"""

from ml_collections import ConfigDict

VARIANTS = ("quick", "public", "cifar", "natural", "accelerator", "scenes")


def get_config(arg: str = "quick") -> ConfigDict:
    """The configuration of a variant."""
    makers = (quick, public, cifar, natural, accelerator, scenes)
    return dict(zip(VARIANTS, makers, strict=True))[arg]()


def quick() -> ConfigDict:
    """Scenes, small networks."""
    scenes = {"source": "scenes", "size": 64}
    small = {"name": "residual_conv", "modulation": "snr_film"}
    return ConfigDict(
        {
            "system": {"name": "deepjscc", "cbr": 1 / 12, "prior": "natural"},
            "encoder": {**small, "widths": (16, 32, 48, 64), "blocks": (0, 1, 1, 1)},
            "decoder": {**small, "widths": (64, 48, 32, 16), "blocks": (1, 1, 1, 0)},
            "phases": ({"name": "train", "snr_db": (0.0, 15.0)},),
            "data": {"train": {**scenes, "split": "train", "crop": 64}, "batch_size": 32},
            "val": {**scenes, "split": "val", "count": 64},
            "optim": {"lr": 2e-3, "warmup": 20, "clip": 1.0, "ema_decay": 0.98},
            "train": {"steps": 500, "log_every": 20, "checkpoint_every": 100, "eval_every": 100},
            "eval": {
                "data": {**scenes, "split": "test", "count": 64},
                "channels": ({"name": "awgn"}, {"name": "rayleigh"}),
                "draws": 2,
                "limit": 64,
                "baselines": ("linear",),
            },
        }
    )


def public() -> ConfigDict:
    """The published networks, trained at one SNR."""
    pictures = {"source": "array", "path": "", "key": "images"}
    return ConfigDict(
        {
            "system": {"name": "deepjscc_public", "cbr": 1 / 12},
            "encoder": {"name": "conv_public"},
            "decoder": {"name": "conv_public"},
            "phases": ({"name": "train", "snr_db": (10.0, 10.0)},),
            "data": {"train": {**pictures, "crop": 32, "cache_mb": 0}, "batch_size": 64},
            "optim": {"lr": 1e-3},
            "train": {"steps": 200_000, "log_every": 100, "checkpoint_every": 2_000},
            "eval": {"data": pictures},
        }
    )


def cifar() -> ConfigDict:
    """Raw 32x32 pictures, the networks of :natural."""
    pictures = {"source": "array", "path": "$SEMJAX_DATA/cifar10_lossless/cifar10_first4000_part.npz"}
    cfg = natural().to_dict()
    return ConfigDict(
        {
            **cfg,
            "data": {"train": {**pictures, "key": "x_train", "crop": 32, "cache_mb": 0}, "batch_size": 64},
            "val": {**pictures, "key": "x_val", "batch_size": 50, "limit": 200},
            "eval": {
                **cfg["eval"],
                "data": {**pictures, "key": "x_test"},
                "metrics": ("psnr", "ssim", "psnr_of_mean_mse"),
                "batch_size": 50,
            },
        }
    )


def natural() -> ConfigDict:
    """Natural pictures, networks for a CPU."""
    wide = {"name": "residual_conv", "modulation": "snr_film"}
    both = ("$SEMJAX_DATA/bsds500", "$SEMJAX_DATA/imagenet_sample")
    return ConfigDict(
        {
            "system": {"name": "deepjscc", "cbr": 1 / 12, "prior": "natural"},
            "encoder": {**wide, "widths": (32, 64, 96, 128), "blocks": (0, 1, 2, 2)},
            "decoder": {**wide, "widths": (128, 96, 64, 32), "blocks": (2, 2, 1, 0)},
            "phases": ({"name": "all", "snr_db": (1.0, 13.0)},),
            "data": {
                "train": {"source": "archives", "roots": both, "split": "train", "crop": 96, "cache_mb": 1024},
                "batch_size": 16,
            },
            "val": {**archive("bsds500", "val"), "crop": 256, "limit": 48, "batch_size": 8},
            "optim": {"lr": 2e-3, "warmup": 300, "clip": 1.0, "ema_decay": 0.999},
            "train": {"steps": 9_000, "log_every": 100, "checkpoint_every": 500, "eval_every": 1_000},
            "eval": {
                "data": archive("kodak24", "test"),
                "channels": ({"name": "awgn"}, {"name": "rayleigh"}),
                "draws": 2,
                "metrics": ("psnr", "ssim", "ms_ssim", "psnr_of_mean_mse"),
                "batch_size": 4,
                "baselines": ("linear",),
            },
        }
    )


def archive(name: str, split: str) -> dict[str, str]:
    """An archive of pictures under SEMJAX_DATA."""
    return {"source": "archive", "root": f"$SEMJAX_DATA/{name}", "split": split}


def accelerator() -> ConfigDict:
    """Natural pictures, networks for an accelerator."""
    cfg = natural()
    cfg.update(
        {
            "encoder": {"widths": (64, 128, 256, 320), "blocks": (0, 2, 4, 4)},
            "decoder": {"widths": (320, 256, 128, 64), "blocks": (4, 4, 2, 0)},
            "data": {"train": {"crop": 128, "cache_mb": 8192}, "batch_size": 128},
            "optim": {"lr": 5e-4, "warmup": 2_000},
            "train": {"steps": 200_000, "log_every": 100, "checkpoint_every": 2_000},
            "compute_dtype": "bfloat16",
        }
    )
    return cfg


def scenes() -> ConfigDict:
    """Scenes of 128 x 128 at the operating point of SA-OOSC's benchmark, networks that work at low resolution."""
    pictures = {"source": "scenes", "size": 128}
    wide = {"name": "residual_conv", "modulation": "snr_film"}
    train = {**pictures, "split": "train", "count": 20_000, "crop": 128, "flip": "none", "cache_mb": 2000}
    test = {**pictures, "split": "test", "count": 1000, "truth": True}
    return ConfigDict(
        {
            "system": {"name": "deepjscc", "cbr": 1 / 48, "prior": "natural"},
            "encoder": {**wide, "widths": (16, 32, 80, 144), "blocks": (0, 0, 1, 2)},
            "decoder": {**wide, "widths": (144, 80, 32, 16), "blocks": (2, 1, 0, 0)},
            "phases": ({"name": "train", "snr_db": (0.0, 14.0)},),
            "data": {"train": train, "batch_size": 16},
            "val": {**pictures, "split": "val", "count": 64},
            "optim": {"lr": 2e-3, "warmup": 100, "clip": 1.0, "ema_decay": 0.99},
            "train": {"steps": 16_300, "log_every": 100, "checkpoint_every": 1_000, "eval_every": 2_000},
            "eval": {
                "data": test,
                "channels": ({"name": "awgn"}, {"name": "rayleigh"}),
                "scenario": "drawn",
                "metrics": ("psnr", "psnr_high", "psnr_low", "iw_psnr", "ssim", "ssim_high"),
                "baselines": ("linear",),
            },
        }
    )
