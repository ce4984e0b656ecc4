"""One side of `benchmarks/ldpc.py`: a process that holds one LDPC implementation and answers one JSON line per request.

    {"do": "errors", "code": CODE, "ebn0_db": 1.5, "blocks": 5000, "seed": 7}  ->  {"errors": ...}
    {"do": "prepare", "code": CODE, "ebn0_db": 1.5}  ->  {"compile_s": of the first decoding}     what "time" decodes
    {"do": "time", "code": CODE, "repeat": 3}  ->  {"seconds": per decoding of one batch}
    {"do": "device"}  ->  {"platform": "cpu", "kind": ...}     of this package's side
    {"do": "write", ..., "path": FILE}  ->  llr, message and decisions;
    {"do": "read", "path": FILE}  ->  the same llr decoded, decisions compared

CODE holds k, n, rule, schedule, iterations, early_stop, batch and, for Sionna, compiled. Called with the side ("semjax"
or "sionna") and the number of threads. Random messages are coded, sent as QPSK (Gray map of TS 38.211) over AWGN with

    N0 = 1 / (2 (k / n) 10^(ebn0_db / 10))       per complex use,

and demodulated exactly, each side by its own functions.
"""

import json
import os
import sys
import time
from typing import Any

import numpy as np

QPSK = 2
Code = dict[str, Any]


def noise_var(code: Code, ebn0_db: float) -> float:
    """N0 per complex use for symbols of unit power."""
    return 1.0 / (QPSK * code["k"] / code["n"] * 10 ** (ebn0_db / 10))


class Semjax:
    """This package; the batch is split over one virtual device per thread."""

    def __init__(self, threads: int):
        flags = [os.environ.get("XLA_FLAGS", ""), f"--xla_force_host_platform_device_count={threads}"]
        os.environ["XLA_FLAGS"] = " ".join([*flags, "--xla_cpu_multi_thread_eigen=false"] if threads == 1 else flags)
        import jax

        self.devices = jax.devices()
        self.programs: dict[str, Any] = {}

    def decoder(self, code: Code) -> Any:
        """The decoder that a request names."""
        from semjax.phy.belief import Decoder
        from semjax.phy.check_rules import CHECK_RULES
        from semjax.phy.schedules import SCHEDULES

        return Decoder(
            rule=CHECK_RULES[code["rule"]],
            schedule=SCHEDULES[code["schedule"]],
            early_stop=code["early_stop"],
        )

    def parts(self, code: Code) -> tuple[Any, Any]:
        """Compiled: (key, N0) -> (messages, llr), and (llr) -> decisions; both split over the devices."""
        import jax
        from jax.sharding import Mesh, NamedSharding, PartitionSpec

        from semjax.phy import qam
        from semjax.phy.ldpc import LDPCCode

        name = json.dumps(code, sort_keys=True)
        if name in self.programs:
            return self.programs[name]
        ldpc = LDPCCode(k=code["k"], n=code["n"], bits_per_symbol=QPSK)
        decoder, mesh = self.decoder(code), Mesh(np.asarray(self.devices), ("data",))
        rows = NamedSharding(mesh, PartitionSpec("data"))

        def send(key: Any, var: Any) -> Any:
            message = jax.random.bernoulli(jax.random.fold_in(key, 0), shape=(code["batch"], code["k"]))
            message = message.astype(np.uint8)
            symbols = qam.modulate(ldpc.encode(message), QPSK)
            noise = jax.random.normal(jax.random.fold_in(key, 1), symbols.shape, np.complex64) * var**0.5
            return message, qam.demodulate(symbols + noise, jax.numpy.full(symbols.shape, var), QPSK)

        def decode(llr: Any) -> Any:
            return ldpc.decode(llr, code["iterations"], decoder=decoder)

        split = jax.shard_map(
            decode, mesh=mesh, in_specs=PartitionSpec("data"), out_specs=PartitionSpec("data"), check_vma=False
        )
        self.programs[name] = jax.jit(send, out_shardings=(rows, rows)), jax.jit(split)
        return self.programs[name]

    def batch(self, code: Code, ebn0_db: float, seed: int) -> tuple[Any, Any]:
        """Messages and llr of one batch."""
        import jax

        return self.parts(code)[0](jax.random.key(seed), np.float32(noise_var(code, ebn0_db)))

    def decode(self, code: Code, llr: Any) -> Any:
        """Decisions, ready."""
        import jax

        return jax.block_until_ready(self.parts(code)[1](llr))


class Sionna:
    """Sionna on torch."""

    def __init__(self, threads: int):
        import torch

        torch.set_num_threads(threads)
        self.made: dict[str, Any] = {}

    def parts(self, code: Code) -> tuple[Any, Any]:
        """Encoder and decoder."""
        import torch
        from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder

        name = json.dumps(code, sort_keys=True)
        if name not in self.made:
            encoder = LDPC5GEncoder(code["k"], code["n"], num_bits_per_symbol=QPSK)
            rule = {"sum_product": "boxplus-phi", "offset_min_sum": "offset-minsum"}[code["rule"]]
            decoder = LDPC5GDecoder(
                encoder, cn_update=rule, cn_schedule=code["schedule"], num_iter=code["iterations"], hard_out=True
            )
            self.made[name] = encoder, torch.compile(decoder, dynamic=False) if code.get("compiled") else decoder
        return self.made[name]

    def batch(self, code: Code, ebn0_db: float, seed: int) -> tuple[Any, Any]:
        """Messages and llr of one batch; llr by our sign."""
        import torch

        draw = torch.Generator().manual_seed(seed)
        message = torch.randint(0, 2, (code["batch"], code["k"]), generator=draw, dtype=torch.float32)
        coded, var = self.parts(code)[0](message), noise_var(code, ebn0_db)
        sent = (1 - 2 * coded) / 2**0.5
        received = sent + torch.randn(sent.shape, generator=draw) * (var / 2) ** 0.5
        return message, 4 * received / 2**0.5 / var

    def decode(self, code: Code, llr: Any) -> Any:
        """Decisions; Sionna's llr have the other sign."""
        import torch

        with torch.no_grad():
            return self.parts(code)[1](-llr)


def errors(side: Any, told: dict[str, Any]) -> dict[str, Any]:
    """Counts the blocks that are not decoded right."""
    wrong, done, code = 0, 0, told["code"]
    while done < told["blocks"]:
        message, llr = side.batch(code, told["ebn0_db"], told["seed"] + done)
        differ = np.any(np.asarray(side.decode(code, llr)) != np.asarray(message), axis=1)
        count = min(differ.size, told["blocks"] - done)
        wrong, done = wrong + int(differ[:count].sum()), done + count
    return {"errors": wrong, "blocks": done}


def answer(side: Any, told: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Does what a request asks for."""
    match told["do"]:
        case "errors":
            return errors(side, told)
        case "prepare":
            start, code = time.perf_counter(), told["code"]
            llr = side.batch(code, told["ebn0_db"], 0)[1]
            side.decode(code, llr)
            kept[json.dumps(code)] = llr
            return {"compile_s": time.perf_counter() - start}
        case "time":
            start, llr = time.perf_counter(), kept[json.dumps(told["code"])]
            for _ in range(told["repeat"]):
                side.decode(told["code"], llr)
            return {"seconds": (time.perf_counter() - start) / told["repeat"]}
        case "device":
            return {"platform": side.devices[0].platform, "kind": side.devices[0].device_kind}
        case "write":
            message, llr = side.batch(told["code"], told["ebn0_db"], told["seed"])
            found = np.asarray(side.decode(told["code"], llr))
            np.savez(told["path"], message=np.asarray(message), llr=np.asarray(llr), found=found)
            return {}
        case "read":
            import torch

            with np.load(told["path"]) as file:
                message, llr, theirs = (file[name] for name in ("message", "llr", "found"))
            found = np.asarray(side.decode(told["code"], torch.from_numpy(llr))).astype(np.uint8)
            wrong, wrong_there = (np.any(bits != message, axis=1) for bits in (found, theirs))
            return {
                "blocks": int(wrong.size),
                "same_outcome": float(np.mean(wrong == wrong_there)),
                "same_bits": float(np.mean(np.all(found == theirs, axis=1))),
                "errors": int(wrong.sum()),
                "errors_there": int(wrong_there.sum()),
            }
    raise ValueError(told)


def main() -> None:
    """Answers requests until the input ends."""
    threads = int(sys.argv[2])
    side, kept = {"semjax": Semjax, "sionna": Sionna}[sys.argv[1]](threads), {}
    for line in sys.stdin:
        try:
            said = answer(side, json.loads(line), kept)
        except Exception as error:  # the other side goes on, and the report says what failed here
            said = {"error": f"{type(error).__name__}: {error}"[:400]}
        print("ANSWER " + json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
