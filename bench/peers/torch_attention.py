"""PyTorch's attention over data that a bench gives, so that it can measure in turns with its own.

    python3 torch_attention.py --device cpu --threads 2

The first line of output says which PyTorch this is and which kernels there are to try, or why it is
unavailable. Then every line of JSON is answered by one:

    {"op": "load", "sequences": 1, "query": 512, "kv": 512, "queryHeads": 9, ...}
    {"op": "prepare", "kernel": "flash"}
    {"op": "check", "kernel": "flash", "rows": [[0, 511]]}
    {"op": "sample", "kernel": "flash", "launches": 8}
    {"op": "burst", "kernel": "flash", "pause": 0.8, "span": 60}
    {"op": "unload"}

An answer with "error" is a refusal with its reason.
"""

import argparse
import json
import sys
import time


def say(answer):
    print(json.dumps(answer), flush=True)


try:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention
except ImportError as error:
    say({"unavailable": f"{sys.executable} has no PyTorch: {error}"})
    sys.exit(0)

KERNELS = {
    # On the CPU there is one fused kernel; SDPA takes it by itself, or tells that it did not.
    "cpu": {"flash": SDPBackend.FLASH_ATTENTION, "flex": None},
    "cuda": {
        "cudnn": SDPBackend.CUDNN_ATTENTION,
        "flash": SDPBackend.FLASH_ATTENTION,
        "flex": None,
    },
}


class Data:
    """Queries, keys and values as `[sequence, head, token, dim]`, a token's heads beside each other."""

    def __init__(self, request, device):
        self.sequences, self.query_length = request["sequences"], request["query"]
        self.query_heads, self.kv_heads = request["queryHeads"], request["kvHeads"]
        self.dim = request["headDim"]
        self.kv_length = request["kv"]
        self.dtype = getattr(torch, request["dtype"])
        self.device = device
        noise = self.file(request["kvFile"], self.kv_heads)
        # Of each layer: segments of rows of the noise, by kind and sequence.
        self.layers = [
            [self.stacked(noise, of_kind) for of_kind in layer] for layer in request["layers"]
        ]
        rows = self.file(request["queryFile"], self.query_heads)
        count = self.sequences * self.query_length
        repeated = torch.cat([rows] * -(-count // rows.shape[0]))[:count]
        shape = (self.sequences, self.query_length, self.query_heads, self.dim)
        self.query = repeated.reshape(shape).transpose(1, 2)
        flush = request["flushBytes"]
        self.flushed = torch.empty(flush, dtype=torch.uint8, device=device)

    def file(self, path, heads):
        with open(path, "rb") as file:
            values = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
        return values.reshape(-1, heads, self.dim).to(self.device, self.dtype)

    def stacked(self, noise, of_sequences):
        rows = [
            torch.cat([noise[start : start + count] for start, count in segments])
            for segments in of_sequences
        ]
        return torch.stack(rows).transpose(1, 2)


class Kernel:
    """One of PyTorch's kernels, in the form that it is fastest with."""

    def __init__(self, data, name, device):
        self.data, self.device = data, device
        self.backend = KERNELS[device][name]
        self.causal = data.query_length > 1
        if self.causal and data.query_length != data.kv_length:
            raise RuntimeError("SDPA's causal mask is for whole prompts only")
        if name == "flex":
            self.make_flex()
        forms, reasons = [], []
        for repeat in (False, True):
            for dense in (False, True):
                try:
                    forms.append((self.trial(dense, repeat), dense, repeat))
                except Exception as error:  # each compiler has errors of its own
                    reasons.append(first_line(error))
            if forms:
                break  # heads are repeated only where the kernel takes no groups
        if not forms:
            raise RuntimeError("; ".join(dict.fromkeys(reasons)) or "not available")
        _, dense, repeat = min(forms)
        self.repeat = repeat
        self.query = self.shaped(data.query, dense, False)
        self.layers = [[self.shaped(one, dense, repeat) for one in layer] for layer in data.layers]
        self.form = {
            "layout": "[head, token, dim]" if dense else "[token, head, dim]",
            "kvHeads": "repeated" if repeat else "grouped",
        }

    def make_flex(self):
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        length = self.data.query_length
        self.mask = (
            create_block_mask(
                lambda b, h, q, kv: q >= kv, None, None, length, length, device=self.device
            )
            if self.causal
            else None
        )
        self.flex = torch.compile(flex_attention, dynamic=False)

    def shaped(self, tensor, dense, repeat):
        if repeat and tensor.shape[1] == self.data.kv_heads:
            tensor = tensor.repeat_interleave(self.data.query_heads // self.data.kv_heads, dim=1)
        return tensor.contiguous() if dense else tensor

    def attend(self, query, key, value, repeat):
        if self.backend is None:
            return self.flex(query, key, value, block_mask=self.mask, enable_gqa=not repeat)
        with sdpa_kernel(self.backend):
            return scaled_dot_product_attention(
                query, key, value, is_causal=self.causal, enable_gqa=not repeat
            )

    def trial(self, dense, repeat):
        query = self.shaped(self.data.query, dense, False)
        key, value = (self.shaped(one, dense, repeat) for one in self.data.layers[0])
        for _ in range(2):
            self.attend(query, key, value, repeat)
        return self.timed(lambda _: self.attend(query, key, value, repeat), 2)

    def launch(self, i):
        key, value = self.layers[i % len(self.layers)]
        return self.attend(self.query, key, value, self.repeat)

    def check(self, rows):
        """Rows of the first layer's output, all heads: `[rows][heads * dim]`."""
        output = self.launch(0).float().cpu()
        return [output[sequence, :, row].reshape(-1).tolist() for sequence, row in rows]

    def sample(self, launches):
        self.data.flushed.fill_(1)
        return self.timed(self.launch, launches)

    def timed(self, work, count):
        """Milliseconds of one of `count` calls."""
        if self.device == "cpu":
            start = time.perf_counter()
            for i in range(count):
                work(i)
            return 1000 * (time.perf_counter() - start) / count
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for i in range(count):
            work(i)
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / count

    def burst(self, pause, span_ms):
        """Milliseconds of each of the first launches after a pause."""
        launch_ms = self.timed(self.launch, 1)
        time.sleep(pause)
        count = max(1, min(64, round(span_ms / launch_ms)))
        points = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
        points[0].record()
        for i in range(count):
            self.launch(i)
            points[i + 1].record()
        torch.cuda.synchronize()
        return [a.elapsed_time(b) for a, b in zip(points, points[1:])]


def first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


class Server:
    def __init__(self, device):
        self.device = device
        self.data, self.kernels = None, {}

    def answer(self, request):
        op = request["op"]
        if op in ("load", "unload"):
            self.data, self.kernels = None, {}
            if self.device == "cuda":
                torch.cuda.empty_cache()
            if op == "load":
                self.data = Data(request, self.device)
            return {}
        name = request["kernel"]
        if op == "prepare":
            self.kernels[name] = Kernel(self.data, name, self.device)
            return self.kernels[name].form
        kernel = self.kernels[name]
        if op == "check":
            return {"rows": kernel.check(request["rows"])}
        if op == "burst":
            return {"ms": kernel.burst(request["pause"], request["span"])}
        return {"ms": kernel.sample(request["launches"])}


def versions(device):
    cuda = device == "cuda"
    return {
        "kernels": list(KERNELS[device]),
        "versions": {
            "torch": torch.__version__,
            "torchCuda": torch.version.cuda if cuda else None,
            "torchCudnn": str(torch.backends.cudnn.version()) if cuda else None,
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=list(KERNELS), required=True)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        say({"unavailable": "PyTorch sees no GPU"})
        return
    if options.threads:
        torch.set_num_threads(options.threads)
    server = Server(options.device)
    say(versions(options.device))
    with torch.inference_mode():
        for line in sys.stdin:
            try:
                say(server.answer(json.loads(line)))
            except Exception as error:  # whatever it is, the other side has to hear of it
                say({"error": first_line(error)})


main()
