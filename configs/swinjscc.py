"""SwinJSCC: one learned analog code for SNR 1 to 13 dB and cbr 1/48 to 1/8.

Each picture of a training batch has its own SNR and rate, drawn evenly; one stage, evaluated with averaged parameters.
All but the published forms start at the linear code. "small" networks: 3.3 M parameters, for CPUs.

:quick        a first result on two CPU cores: procedural scenes of 64x64, tiny networks
              python train.py --config configs/swinjscc.py:quick --workdir runs/swin_quick
              python eval.py --checkpoint runs/swin_quick
              hardware: two CPU cores, minutes; PSNR: not yet measured
:cifar        small networks of stride 16 on raw 32x32 pictures (cifar10_lossless under SEMJAX_DATA: 2,900 of them)
              python train.py --config configs/swinjscc.py:cifar --workdir runs/swin_cifar
              hardware: two CPU cores; time and PSNR: not yet measured
:natural      small networks, 128x128 crops of natural pictures (bsds500 and imagenet_sample under SEMJAX_DATA)
              python train.py --config configs/swinjscc.py:natural --workdir runs/swin
              hardware: two CPU cores, 86 minutes (shared with other work); 10 dB AWGN, Kodak at cbr 1/12:
              30.6 dB, linear code 29.1 (docs/results.md)
:accelerator  the published widths and depths (18.7 M parameters without its gates), 256x256 crops, bfloat16
              python train.py --config configs/swinjscc.py:accelerator --workdir runs/swin_big
              hardware: one accelerator of 80 GB (with --config.encoder.remat=True and decoder.remat less; batch 32);
              time and PSNR: not yet measured; 72.7 GFLOP forward per picture, counted by XLA
:base         the published form, 33 M parameters: gates (ModNet), random start
              python train.py --config configs/swinjscc.py:base --workdir runs/swin_base
              hardware: one accelerator; time and PSNR: not yet measured
:public_cifar the published form for 32x32 pictures, 13.7 M parameters, SNR gates, one rate
              python train.py --config configs/swinjscc.py:public_cifar --workdir runs/swin_public_cifar
              hardware: one accelerator; time and PSNR: not yet measured
:scenes       scenes of 128x128 at cbr 1/96 to 1/24, to stand beside SA-OOSC: data, SNRs and size of its networks
              python train.py --config configs/swinjscc.py:scenes --workdir runs/swinjscc_scenes_0 --config.seed=0
              hardware: one H200, 3 minutes, scenes drawn before; test scenes at cbr 1/48: docs/sa_oosc_results.md

CHOICE: :scenes spans one octave to each side of cbr 1/48, where it is measured.
"""

from ml_collections import ConfigDict

VARIANTS = ("quick", "cifar", "natural", "accelerator", "base", "public_cifar", "scenes")
CBR = 1 / 8
MIN_CBR = 1 / 48
RATES = (1 / 6, 1 / 3, 1 / 2, 2 / 3, 1.0)
"""Of cbr 1/8: 1/48, 1/24, 1/16, 1/12, 1/8."""


def get_config(arg: str = "quick") -> ConfigDict:
    """The configuration of a variant."""
    makers = (quick, cifar, natural, accelerator, base, public_cifar, scenes)
    return dict(zip(VARIANTS, makers, strict=True))[arg]()


def swin(**settings: tuple[int, ...] | int | str) -> dict[str, dict[str, object]]:
    """Sections `encoder` and `decoder` of mirrored networks; settings of the encoder."""
    made = {"name": "swin", "modulation": "snr_film", **settings}
    mirrored = {key: value[::-1] if isinstance(value, tuple) else value for key, value in made.items()}
    return {"encoder": made, "decoder": mirrored}


def common() -> dict[str, object]:
    """System and phase of the codes that start at the linear one."""
    return {
        "system": {"name": "swinjscc", "cbr": CBR, "min_cbr": MIN_CBR, "prior": "natural"},
        "phases": ({"name": "all", "snr_db": (1.0, 13.0), "rate": (MIN_CBR / CBR, 1.0), "weights": {"log_mse": 1.0}},),
    }


def quick() -> ConfigDict:
    """Scenes, tiny networks."""
    scenes = {"source": "scenes", "size": 64}
    return ConfigDict(
        {
            **common(),
            **swin(widths=(16, 32, 48, 64), depths=(0, 0, 2, 2), heads=(1, 1, 2, 2), window=4),
            "data": {"train": {**scenes, "split": "train", "crop": 64}, "batch_size": 32},
            "val": {**scenes, "split": "val", "count": 64},
            "optim": {"lr": 2e-3, "warmup": 20, "clip": 1.0, "ema_decay": 0.98},
            "train": {"steps": 500, "log_every": 20, "checkpoint_every": 100, "eval_every": 100},
            "eval": {
                "data": {**scenes, "split": "test", "count": 64},
                "channels": ({"name": "awgn"}, {"name": "rayleigh"}),
                "rates": RATES,
                "mismatch": (10.0,),
                "mismatch_rate": 2 / 3,
                "limit": 64,
                "baselines": ("linear",),
            },
        }
    )


def cifar() -> ConfigDict:
    """Raw 32x32 pictures, small networks."""
    pictures = {"source": "array", "path": "$SEMJAX_DATA/cifar10_lossless/cifar10_first4000_part.npz"}
    return ConfigDict(
        {
            **common(),
            **swin(widths=(32, 64, 128, 192), depths=(0, 2, 2, 2), heads=(1, 2, 4, 6), window=4),
            "data": {"train": {**pictures, "key": "x_train", "crop": 32, "cache_mb": 0}, "batch_size": 64},
            "val": {**pictures, "key": "x_val", "batch_size": 50, "limit": 200},
            "optim": {"lr": 1.5e-3, "warmup": 300, "clip": 1.0, "ema_decay": 0.999},
            "train": {"steps": 12_000, "log_every": 100, "checkpoint_every": 500, "eval_every": 1_000},
            "eval": {
                "data": {**pictures, "key": "x_test"},
                "channels": ({"name": "awgn"}, {"name": "rayleigh"}),
                "rates": RATES,
                "mismatch": (10.0,),
                "mismatch_rate": 2 / 3,
                "metrics": ("psnr", "ssim", "psnr_of_mean_mse", "papr_db"),
                "batch_size": 50,
                "baselines": ("linear",),
            },
        }
    )


def natural() -> ConfigDict:
    """Natural pictures, small networks."""
    both = ("$SEMJAX_DATA/bsds500", "$SEMJAX_DATA/imagenet_sample")
    return ConfigDict(
        {
            **common(),
            **swin(widths=(32, 64, 128, 192), depths=(0, 2, 2, 2), heads=(1, 2, 4, 6), window=8),
            "data": {
                "train": {"source": "archives", "roots": both, "split": "train", "crop": 128, "cache_mb": 1024},
                "batch_size": 8,
            },
            "val": {**archive("bsds500", "val"), "crop": 256, "limit": 48, "batch_size": 8},
            "optim": {"lr": 1.5e-3, "warmup": 300, "clip": 1.0, "ema_decay": 0.999},
            "train": {"steps": 12_000, "log_every": 100, "checkpoint_every": 500, "eval_every": 1_000},
            "eval": {
                "data": archive("kodak24", "test"),
                "channels": ({"name": "awgn"}, {"name": "rayleigh"}),
                "rates": RATES,
                "mismatch": (10.0,),
                "mismatch_rate": 2 / 3,
                "metrics": ("psnr", "ms_ssim", "papr_db"),
                "batch_size": 4,
                "baselines": ("linear",),
            },
        }
    )


def archive(name: str, split: str) -> dict[str, str]:
    """An archive of pictures under SEMJAX_DATA."""
    return {"source": "archive", "root": f"$SEMJAX_DATA/{name}", "split": split}


def accelerator() -> ConfigDict:
    """Natural pictures, the published widths on top of the linear code."""
    cfg = natural()
    cfg.update(swin(widths=(128, 192, 256, 320), depths=(2, 2, 6, 2), heads=(4, 6, 8, 10), window=8))
    cfg.update(
        {
            "data": {"train": {"crop": 256, "cache_mb": 8192}, "batch_size": 32},
            "optim": {"lr": 5e-4, "warmup": 1_000},
            "train": {"steps": 100_000, "checkpoint_every": 2_000, "eval_every": 5_000},
            "compute_dtype": "bfloat16",
        }
    )
    return cfg


def base() -> ConfigDict:
    """The published networks for natural pictures."""
    cfg = accelerator().to_dict()
    gated = {"name": "swin_public", "modulation": "none"}
    return ConfigDict(
        {
            **cfg,
            "system": {"name": "swinjscc_public", "cbr": CBR, "min_cbr": MIN_CBR},
            "encoder": {**cfg["encoder"], **gated},
            "decoder": {**cfg["decoder"], **gated},
            "phases": ({"name": "all", "snr_db": (1.0, 13.0), "rate": (MIN_CBR / CBR, 1.0)},),
            "data": {**cfg["data"], "batch_size": 16},
            "optim": {**cfg["optim"], "lr": 1e-4},
        }
    )


def public_cifar() -> ConfigDict:
    """The published networks for 32x32 pictures."""
    cfg = cifar().to_dict()
    return ConfigDict(
        {
            **cfg,
            "system": {"name": "swinjscc_public", "cbr": 1 / 6, "min_cbr": 1 / 6},
            **swin(name="swin_snr", modulation="none", widths=(128, 256), depths=(2, 4), heads=(4, 8), window=2),
            "phases": ({"name": "all", "snr_db": (1.0, 13.0)},),
            "data": {**cfg["data"], "batch_size": 128},
            "optim": {"lr": 1e-4},
            "train": {**cfg["train"], "steps": 200_000, "checkpoint_every": 2_000},
            "eval": {**cfg["eval"], "rates": (1.0,), "mismatch_rate": None},
        }
    )


def scenes() -> ConfigDict:
    """Scenes of 128 x 128 around the operating point of SA-OOSC's benchmark, small networks."""
    pictures = {"source": "scenes", "size": 128}
    train = {**pictures, "split": "train", "count": 20_000, "crop": 128, "flip": "none", "cache_mb": 2000}
    test = {**pictures, "split": "test", "count": 1000, "truth": True}
    phase = {"name": "all", "snr_db": (0.0, 14.0), "rate": (1 / 4, 1.0), "weights": {"log_mse": 1.0}}
    return ConfigDict(
        {
            "system": {"name": "swinjscc", "cbr": 1 / 24, "min_cbr": 1 / 96, "prior": "natural"},
            "phases": (phase,),
            **swin(widths=(16, 32, 96, 160), depths=(0, 0, 2, 2), heads=(1, 1, 3, 5), window=8),
            "data": {"train": train, "batch_size": 16},
            "val": {**pictures, "split": "val", "count": 64},
            "optim": {"lr": 1.5e-3, "warmup": 100, "clip": 1.0, "ema_decay": 0.99},
            "train": {"steps": 16_300, "log_every": 100, "checkpoint_every": 1_000, "eval_every": 2_000},
            "eval": {
                "data": test,
                "channels": ({"name": "awgn"}, {"name": "rayleigh"}),
                "rates": (0.25, 0.5, 0.75, 1.0),
                "scenario": "drawn",
                "metrics": ("psnr", "psnr_high", "psnr_low", "iw_psnr", "ssim", "ssim_high"),
                "baselines": ("linear",),
            },
        }
    )
