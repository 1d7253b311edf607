"""PyTorch's attention at the shapes of bench/gpu/prefill.mjs, timed the same way.

    python3 bench/gpu/torch_sdpa.py [--lengths 8192,16384] [--seconds 2]
    python3 bench/gpu/torch_sdpa.py --serve

By itself it prints one line of JSON: bursts and sustained samples of cuDNN's and of the flash backend
for each length. With --serve it answers requests, a line of JSON each, so that bench/gpu/peers.mjs can
measure in turns with ours:

    {"length": 8192, "backend": "cudnn", "launches": 8, "phase": "sample"}
    {"length": 8192, "backend": "cudnn", "phase": "burst", "pause": 0.8, "span": 60}
"""

import argparse
import json
import sys
import time

QUERY_HEADS, KV_HEADS, HEAD_DIM = 32, 8, 128
LAYERS = 8


def fail(reason):
    print(json.dumps({"unavailable": reason}), flush=True)
    sys.exit(0)


try:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention
except ImportError as error:
    fail(f"python3 has no PyTorch: {error}")

BACKENDS = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION}


def flop(length):
    """Of one causal layer; masked pairs do not count."""
    return 4 * (length * (length + 1) // 2) * QUERY_HEADS * HEAD_DIM


class Prefill:
    """Query, keys and values of one length, in the form that the backend is fastest with."""

    def __init__(self, length, backend, seed):
        self.length = length
        self.backend = BACKENDS[backend]
        torch.manual_seed(seed)
        layers = LAYERS if length <= 32768 else 2
        self.kv_layers = [
            [self.rows(length, KV_HEADS) for _ in range(2)] for _ in range(layers)
        ]
        self.query = self.rows(length, QUERY_HEADS)
        self.form = None
        reasons = []
        forms = []
        for repeat in (False, True):
            for dense in (False, True):
                try:
                    forms.append((self.trial(dense, repeat), dense, repeat))
                except (RuntimeError, TypeError) as error:
                    reasons.append(str(error).splitlines()[0])
                    torch.cuda.empty_cache()
            if forms:
                break  # heads are repeated only where the backend takes no groups
        if not forms:
            raise RuntimeError("; ".join(dict.fromkeys(reasons)) or "not available")
        _, dense, repeat = min(forms)
        self.adopt(dense, repeat)

    @staticmethod
    def rows(length, heads):
        """[1, heads, length, dim], a token's heads beside each other, as a cache has them."""
        shape = (1, length, heads, HEAD_DIM)
        return torch.randn(shape, dtype=torch.bfloat16, device="cuda").transpose(1, 2)

    def shaped(self, tensor, dense, repeat):
        if repeat and tensor.shape[1] == KV_HEADS:
            tensor = tensor.repeat_interleave(QUERY_HEADS // KV_HEADS, dim=1)
        return tensor.contiguous() if dense else tensor

    def attend(self, query, key, value, repeat):
        with sdpa_kernel(self.backend):
            return scaled_dot_product_attention(
                query, key, value, is_causal=True, enable_gqa=not repeat
            )

    def trial(self, dense, repeat):
        query = self.shaped(self.query, dense, False)
        key, value = (self.shaped(one, dense, repeat) for one in self.kv_layers[0])
        for _ in range(2):
            self.attend(query, key, value, repeat)
        return timed(lambda: self.attend(query, key, value, repeat), 3)

    def adopt(self, dense, repeat):
        self.form = {
            "layout": "[head, token, dim]" if dense else "[token, head, dim]",
            "kvHeads": "repeated" if repeat else "grouped",
        }
        self.repeat = repeat
        self.query = self.shaped(self.query, dense, False)
        self.kv_layers = [
            [self.shaped(one, dense, repeat) for one in layer] for layer in self.kv_layers
        ]

    def launch(self, i):
        key, value = self.kv_layers[i % len(self.kv_layers)]
        return self.attend(self.query, key, value, self.repeat)

    def check(self):
        """The last row against float64."""
        output = self.launch(0)[0, -1, -1].double()
        key, value = self.kv_layers[0]
        last = key[0, -1].double(), value[0, -1].double()
        scores = last[0] @ self.query[0, -1, -1].double() / HEAD_DIM**0.5
        expected = torch.softmax(scores, 0) @ last[1]
        error = (output - expected).abs().max() / expected.abs().max()
        if not error <= 0.02:
            raise RuntimeError(f"wrong by {float(error)}")
        return float(error)


def timed(work, count):
    """Milliseconds of one of `count` calls."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(count):
        work()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / count


def burst(prefill, pause, span_ms):
    launch_ms = timed(lambda: prefill.launch(0), 1)
    time.sleep(pause)
    count = max(1, min(64, round(span_ms / launch_ms)))
    points = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
    points[0].record()
    for i in range(count):
        prefill.launch(i)
        points[i + 1].record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) for a, b in zip(points, points[1:])]


class Prefills:
    """Those of the length that was asked for last: long prompts fill the memory."""

    def __init__(self, seed):
        self.seed = seed
        self.length = None
        self.of_backend = {}

    def get(self, length, backend):
        if self.length != length:
            self.length, self.of_backend = length, {}
            torch.cuda.empty_cache()
        if backend not in self.of_backend:
            self.of_backend[backend] = Prefill(length, backend, self.seed)
        return self.of_backend[backend]


def answer(request, prefills):
    prefill = prefills.get(request["length"], request["backend"])
    about = {"flop": flop(request["length"]), **prefill.form}
    if request["phase"] == "check":
        return {**about, "maxError": prefill.check()}
    if request["phase"] == "burst":
        return {**about, "ms": burst(prefill, request["pause"], request["span"])}
    launches = request["launches"]
    count = iter(range(launches))
    return {**about, "ms": [timed(lambda: prefill.launch(next(count)), launches)]}


def versions():
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "device": torch.cuda.get_device_name(),
    }


def serve(prefills):
    print(json.dumps(versions()), flush=True)
    for line in sys.stdin:
        try:
            print(json.dumps(answer(json.loads(line), prefills)), flush=True)
        except Exception as error:  # whatever it is, the other side has to hear of it
            print(json.dumps({"error": str(error).splitlines()[0]}), flush=True)


def measure(prefills, lengths, seconds):
    cases = []
    for length in lengths:
        for backend in BACKENDS:
            try:
                prefill = prefills.get(length, backend)
                case = {"length": length, "backend": backend, **prefill.form}
                case["maxError"] = prefill.check()
                case["burstMs"] = burst(prefill, 0.8, 60)
                launches = max(1, round(25 / min(case["burstMs"])))
                samples = []
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    samples.append(timed(lambda: prefill.launch(0), launches))
                case["sustainedMs"] = samples[len(samples) // 3 :]
                case["tflops"] = flop(length) / sorted(samples)[len(samples) // 2] / 1e9
                cases.append(case)
            except RuntimeError as error:
                reason = str(error).splitlines()[0]
                cases.append({"length": length, "backend": backend, "skipped": reason})
    print(json.dumps({**versions(), "cases": cases}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--lengths", default="8192,16384,32768,65536,131072")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--seed", type=int, default=20240507)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        fail("PyTorch sees no GPU")
    prefills = Prefills(options.seed)
    with torch.inference_mode():
        if options.serve:
            serve(prefills)
        else:
            measure(prefills, [int(text) for text in options.lengths.split(",")], options.seconds)


main()
