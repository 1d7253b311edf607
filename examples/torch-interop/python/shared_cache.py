"""A cache's exported pages as PyTorch's tensors."""

import torch

import dlpack

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3": 1}


def map_pages(manifest, files):
    """Maps an export of another process; `files` are its descriptors in this one."""
    if manifest["version"] != 1:
        raise ValueError(f"manifest version 1 expected, found {manifest['version']}")
    if manifest["device"]["type"] == "cuda":
        from cuda_pages import CudaPages

        return CudaPages(manifest, files)
    from host_pages import HostPages

    return HostPages(manifest, files)


def rows(manifest, pages, layer, what, sequence):
    """The keys or values of one sequence in one layer: [token, kvHead, dim], the very memory."""
    tensor = manifest["layers"][layer][what]
    strides = tensor["strides"]  # of [sequence, token, kvHead, dim], in elements
    element = tensor["offset"] + sequence * strides[0]
    memory = dlpack.Memory(
        address=pages.base + element * BYTES[manifest["dtype"]],
        dtype=manifest["dtype"],
        shape=(manifest["lengths"][sequence], *tensor["shape"][2:]),
        strides=strides[1:],
        device=pages.device,
        owner=pages,
    )
    return torch.from_dlpack(memory)
