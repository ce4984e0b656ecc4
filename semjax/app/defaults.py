"""Every configuration key there is, with its default value and its meaning.

A section that names a part ("encoder": {"name": ...}) holds, beside what stands here, the plain options of that part's
constructor; `semjax.app.config` adds them and checks them.
"""

from typing import Any

TEACHERS: dict[str, Any] = {
    "stores": (),  # folders of teacher stores on the section's pictures; none = pictures without labels
    "scenarios": (),  # rows of the labels, by name; none = all that the stores know
    "overrides": "",  # file of corrected labels
    "regions": 0,  # columns of the labels; 0 = the most that a picture of the stores has
    "classes": "",  # class tables (packaged name or file) whose names number the regions' classes; "" = no such label
}

DEFAULTS: dict[str, Any] = {
    "seed": 0,  # of parameters, data order, noise
    "system": {"name": "deepjscc"},
    "encoder": {"name": "residual_conv"},
    "decoder": {"name": "residual_conv"},
    "channel": {"name": "awgn"},  # trained over, unless a phase names its own
    "phases": (),  # dicts of semjax.contracts.Phase's fields; empty = the system's own
    "data": {
        "train": {
            "source": "scenes",
            "crop": 64,  # side of the random square crop, in pixels
            "flip": "horizontal",  # mirrored half the time | none
            "small": "pad",  # pictures smaller than the crop: pad (by reflection) | drop
            "cache_mb": 512,  # decoded pictures kept in memory; 0 = none
            "teachers": TEACHERS,
        },
        "batch_size": 32,  # over all devices
        "max_bad_rate": 0.01,  # share of the pictures read that may be unreadable before the run stops
    },
    "val": {  # watched during training: mean PSNR over the training channel
        "source": "scenes",
        "crop": None,  # side of a central crop; None = whole pictures
        "patches": 0,  # fixed patches of that size per picture, instead of the central one; `limit` counts patches
        "small": "pad",
        "teachers": TEACHERS,
        "batch_size": 16,
        "limit": 64,  # pictures
        "snr_db": 10.0,
    },
    "optim": {
        "name": "adamw",
        "lr": 1e-3,  # peak
        "schedule": "cosine",  # cosine (to zero) | constant
        "warmup": 0,  # steps of linear warm-up
        "weight_decay": 0.0,
        "clip": None,  # global gradient norm; None = no clipping
        "b1": 0.9,
        "b2": 0.999,
        "rules": ((".*", 1.0),),  # (regex over "player/path", learning-rate multiplier | None = frozen), first match
        "ema_decay": 0.999,
        "accumulate": 1,  # micro-batches per step
    },
    "train": {
        "steps": 1000,  # 0 = only a checkpoint of the start
        "start_from": "",  # run or shipped checkpoint whose parameters this run begins with; "" = all begin fresh
        "start_parts": ".*",  # regex over their paths ("analysis/net/..."): which are taken
        "log_every": 50,
        "checkpoint_every": 500,
        "eval_every": 0,  # steps between looks at `val`; 0 = never
        "keep": 3,  # checkpoints kept, the latest
        "keep_best": 1,  # states kept beside them, the best on `val`; 0 = none
        "max_skipped": 10,  # steps in a row that may be skipped for not being finite; 0 = any number
        "watchdog_s": 1800.0,  # seconds without a step after which the stacks are written down; 0 = never
        "watchdog_abort": False,  # end the process when as much time again has passed
        "tensorboard": False,
    },
    "compute_dtype": "float32",  # float32 | bfloat16; parameters are always float32
    "compile_cache": None,  # folder of compiled programs that outlives the process; None = none
    "mesh": {"data": -1, "fsdp": 1, "model": 1},  # devices along each axis; -1 = all that are left
    "eval": {
        "data": {"source": "scenes", "crop": None, "patches": 0, "small": "pad", "teachers": TEACHERS},
        "allow_reencoded": False,  # measure fidelity on small pictures that are copies through JPEG
        "channels": ({"name": "awgn"},),
        "snr_db": (1.0, 4.0, 7.0, 10.0, 13.0),
        "rates": (1.0,),  # rate tokens, fractions of the system's full cbr; others than 1 for a system of many rates
        "mismatch": (),  # SNRs in dB that both ends are told while the channel has each of `snr_db`
        "mismatch_rate": None,  # rate token of that; None = the highest of `rates`
        "draws": 1,  # channel draws per picture
        "metrics": ("psnr", "ssim", "papr_db", "power_p999_db"),
        "scenario": "",  # of scenes: a reader is asked about what arrived, under this scenario ("drawn" = each its own)
        "batch_size": 16,
        "limit": None,  # pictures; None = all
        "seed": 0,
        "side_link": "ideal",  # how integer streams travel: ideal (capacity, error free) | coded (5G NR codes)
        "target_bler": 0.01,  # share of messages that the coded link's choice of code rate may lose
        "target_bler_block_fading": 0.1,  # the same over block fading
        "baselines": (),  # systems without training, measured beside at each of the rates
        "cost": True,  # parameters, FLOPs and milliseconds of both ends
    },
}

OPTIONAL: dict[str, type] = {
    "optim.clip": float,
    "val.crop": int,
    "val.limit": int,
    "eval.data.crop": int,
    "eval.limit": int,
    "eval.mismatch_rate": float,
    "compile_cache": str,
}
"""Keys that may be None, and the type they have otherwise."""

CHOICES: dict[str, tuple[str, ...]] = {
    "optim.name": ("adamw",),
    "optim.schedule": ("cosine", "constant"),
    "compute_dtype": ("float32", "bfloat16"),
    "data.train.flip": ("horizontal", "none"),
    "data.train.small": ("pad", "drop"),
    "val.small": ("pad", "drop"),
    "eval.data.small": ("pad", "drop"),
    "eval.side_link": ("ideal", "coded"),
}
"""Keys with a closed set of values."""

POSITIVE = (
    *("data.batch_size", "train.log_every", "train.checkpoint_every", "train.keep", "optim.lr"),
    *("optim.accumulate", "eval.draws", "eval.batch_size", "val.batch_size"),
)
"""Keys whose value must be above zero."""

BESIDE_THE_RUN = (
    *("eval", "val", "mesh", "train.log_every", "train.checkpoint_every", "train.eval_every", "train.keep"),
    *("train.keep_best", "train.max_skipped", "train.watchdog_s", "train.watchdog_abort", "compile_cache"),
    *("train.tensorboard", "data.train.cache_mb", "data.train.root", "data.train.roots"),
    *("data.train.path", "data.train.data_dir", "data.max_bad_rate"),
)
"""Keys that may change between a run and its resumption: no parameter depends on them (data may move, not change)."""

SPLITS = {"val": "val", "eval.data": "test"}
"""Sections whose source, if its own default is the split "train", reads another split unless told otherwise."""

PARTS: dict[str, tuple[str, str]] = {
    "system": ("systems", "name"),
    "encoder": ("encoders", "name"),
    "decoder": ("decoders", "name"),
    "channel": ("channels", "name"),
    "data.train": ("sources", "source"),
    "val": ("sources", "source"),
    "eval.data": ("sources", "source"),
}
"""Sections that name a part: (kind in the registry, key of the name)."""
