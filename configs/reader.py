"""The reader of scenes: names shape, colour and texture of what is in a box of a picture, or says that nothing is.

:full   the shipped weights (`semjax/teachers/reader_scenes.npz`): every class, pair and background, damaged pictures
        python train.py --config configs/reader.py:full --workdir runs/reader
        python -m semjax.app.export runs/reader OUT
        hardware: two CPU cores, 10 minutes; clean test scenes of 64x64: shape, colour and texture all right in 99.5 %
        of the boxes, nothing said of 99.9 % of the decoys, 99.7 % of the answers right (docs/results/reader.json)
        another instance: --config.seed=1 (an evaluator is never the instance that a loss used)
:quick  a few hundred steps, to see that everything works
        python train.py --config configs/reader.py:quick --workdir runs/reader_quick
        hardware: two CPU cores, a minute; accuracy: not yet measured

It sends nothing, so there is no PSNR to watch; the log has the shares of boxes read right on damaged pictures.
"""

from ml_collections import ConfigDict

VARIANTS = ("full", "quick")
TERMS = ("shape", "colour", "texture", "something", "background")


def get_config(arg: str = "full") -> ConfigDict:
    """The configuration of a variant."""
    return dict(zip(VARIANTS, (full, quick), strict=True))[arg]()


def full() -> ConfigDict:
    """Three parts of scenes before sky, grass and road, one part before brick: a teacher sees everything."""
    every = {"source": "scenes", "size": 64, "seed": 1000, "truth": True, "held_out_shapes": (), "held_out_combos": ()}
    parts = (
        {**every, "split": "train", "count": 18_000, "weight": 3.0},
        {**every, "split": "unseen_background", "count": 6_000, "weight": 1.0},
    )
    return ConfigDict(
        {
            "system": {"name": "reader"},
            "phases": ({"name": "train", "weights": dict.fromkeys(TERMS, 1.0)},),
            "data": {
                "train": {"source": "mixture", "parts": parts, "crop": 64, "flip": "none", "cache_mb": 1024},
                "batch_size": 32,
            },
            "optim": {"lr": 2e-3, "warmup": 100, "weight_decay": 1e-3, "clip": 1.0, "ema_decay": 0.998},
            "train": {"steps": 16_000, "log_every": 500, "checkpoint_every": 2_000},
        }
    )


def quick() -> ConfigDict:
    """The same, for a few hundred steps."""
    cfg = full()
    cfg.update({"optim": {"ema_decay": 0.98}, "train": {"steps": 400, "log_every": 50, "checkpoint_every": 200}})
    return cfg
