"""Pages of a cache on the CPU: one memfd, of which the manifest names parts."""

import ctypes
import mmap
import os

import dlpack

MAP_FIXED = 0x10  # Linux; Python's mmap module does not have it
MAP_NORESERVE = 0x4000
FAILED = ctypes.c_void_p(-1).value
PROT_NONE = 0

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def _map(address, size, protection, flags, file, offset):
    found = _libc.mmap(address, size, protection, flags, file, offset)
    if found == FAILED:
        code = ctypes.get_errno()
        raise OSError(code, f"mmap: {os.strerror(code)}")
    return found


class HostPages:
    """An export, mapped. Unmapped when the last reference to it goes."""

    device = (dlpack.CPU, 0)

    def __init__(self, manifest, files):
        self._size = len(manifest["lengths"]) * manifest["sequenceBytes"]
        # Address space first: between the pages there is nothing, and to touch it is a fault.
        anonymous = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
        self.base = _map(None, self._size, PROT_NONE, anonymous, -1, 0)
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if manifest["writable"] else 0)
        for page in manifest["pages"]:
            address = self.base + page["sequence"] * manifest["sequenceBytes"] + page["offset"]
            fixed = mmap.MAP_SHARED | MAP_FIXED
            file = files[page["file"]]
            _map(address, page["bytes"], protection, fixed, file, page["fileOffset"])
        for file in files:
            os.close(file)  # the mappings need it no longer

    def synchronize(self):
        """What was written is there: the CPU has no queue."""

    def __del__(self):
        if hasattr(self, "base"):
            _libc.munmap(self.base, self._size)
