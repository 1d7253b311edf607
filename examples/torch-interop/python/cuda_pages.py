"""Pages of a cache on a GPU: every file is one allocation of cuMemCreate."""

import ctypes
import os

import torch

import dlpack

POSIX_FILE, DEVICE, READ_WRITE = 1, 1, 3
u64 = ctypes.c_uint64


class Access(ctypes.Structure):  # CUmemAccessDesc
    _fields_ = [("type", ctypes.c_int), ("id", ctypes.c_int), ("flags", ctypes.c_int)]


def _call(name, *arguments):
    result = getattr(ctypes.CDLL("libcuda.so.1"), name)(*arguments)
    if result != 0:
        raise RuntimeError(f"{name} answered {result}")


def _find_device(uuid):
    """The index here of the exporter's GPU: another process may number them otherwise."""
    _call("cuInit", 0)
    for index in range(torch.cuda.device_count()):
        device, found = ctypes.c_int(), (ctypes.c_ubyte * 16)()
        _call("cuDeviceGet", ctypes.byref(device), index)
        _call("cuDeviceGetUuid", found, device)
        if bytes(found).hex() == uuid:
            return index
    raise RuntimeError(f"no GPU here is {uuid}")


class CudaPages:
    """An export, mapped. Unmapped when the last reference to it goes."""

    def __init__(self, manifest, files):
        index = _find_device(manifest["device"]["uuid"])
        torch.cuda.set_device(index)
        torch.zeros(1, device="cuda")  # makes PyTorch's context, which is current then
        self.device = (dlpack.CUDA, index)
        self._mapped = []
        handles = []
        for file in files:
            handle = u64()
            shareable = ctypes.c_void_p(file)
            _call("cuMemImportFromShareableHandle", ctypes.byref(handle), shareable, POSIX_FILE)
            os.close(file)
            handles.append(handle)
        base = u64()
        self._size = len(manifest["lengths"]) * manifest["sequenceBytes"]
        _call("cuMemAddressReserve", ctypes.byref(base), u64(self._size), u64(0), u64(0), u64(0))
        self.base = base.value
        # Reading alone is not what every GPU knows of its own memory.
        access = Access(DEVICE, index, READ_WRITE)
        for page in manifest["pages"]:
            at = u64(self.base + page["sequence"] * manifest["sequenceBytes"] + page["offset"])
            size = u64(page["bytes"])
            _call("cuMemMap", at, size, u64(0), handles[page["file"]], u64(0))
            self._mapped.append((at, size))
            _call("cuMemSetAccess", at, size, ctypes.byref(access), u64(1))
        for handle in handles:
            _call("cuMemRelease", handle)  # what is mapped stays until it is unmapped

    def synchronize(self):
        """Waits until what PyTorch was given to do is done."""
        torch.cuda.synchronize(self.device[1])

    def __del__(self):
        if not hasattr(self, "base"):
            return
        self.synchronize()  # no kernel may read them any more
        for at, size in self._mapped:
            _call("cuMemUnmap", at, size)
        _call("cuMemAddressFree", u64(self.base), u64(self._size))
