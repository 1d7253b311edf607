"""The Python side: requests and answers are JSON, one a line. The pages come as descriptors."""

import json
import sys

import torch

from shared_cache import map_pages, rows

FIRST_FILE = 3  # behind stdin, stdout and stderr


class Worker:
    def map(self, manifest):
        self.manifest = manifest
        files = [FIRST_FILE + i for i in range(manifest["files"])]
        self.pages = map_pages(manifest, files)
        return {"torch": torch.__version__}

    def read(self, layer, what, sequence):
        """What PyTorch sees. Every float of 16 bits or fewer is exact in JSON's numbers."""
        tensor = rows(self.manifest, self.pages, layer, what, sequence)
        return {
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "device": str(tensor.device),
            "shape": list(tensor.shape),
            "strides": list(tensor.stride()),
            "values": tensor.double().flatten().tolist(),
        }

    def negate(self, layer, what, sequence, token):
        """Writes one token's rows in place."""
        tensor = rows(self.manifest, self.pages, layer, what, sequence)
        tensor[token].neg_()
        self.pages.synchronize()
        return {}

    def close(self):
        del self.pages  # unmaps: no tensor over them is left
        return {}


def main():
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:  # the other side reports it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
