"""Memory that someone else mapped, as a DLPack tensor: no copy, and no library but ctypes.

DLPack's structures are those of https://dmlc.github.io/dlpack/latest/c_api.html.
"""

import ctypes

CPU, CUDA = 1, 2

# (DLDataTypeCode, bits)
DTYPES = {
    "float32": (2, 32),
    "float16": (2, 16),
    "bfloat16": (4, 16),
    "float8_e4m3": (10, 8),
}


class DLDevice(ctypes.Structure):
    _fields_ = [("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32)]


class DLDataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", DLDevice),
        ("ndim", ctypes.c_int32),
        ("dtype", DLDataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class DLManagedTensor(ctypes.Structure):
    pass


Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(DLManagedTensor))
DLManagedTensor._fields_ = [
    ("dl_tensor", DLTensor),
    ("manager_ctx", ctypes.c_void_p),
    ("deleter", Deleter),
]

_alive = {}  # what consumers still use, by the address of its DLManagedTensor


@Deleter
def _delete(managed):
    _alive.pop(ctypes.addressof(managed.contents), None)


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class Memory:
    """A strided view for `torch.from_dlpack`, or any other consumer. `strides` are in elements.

    The pages must stay mapped as long as a tensor made from it lives: `owner` is kept until then.
    """

    def __init__(self, address, dtype, shape, strides, device, owner):
        self._address = address
        self._dtype = dtype
        self._shape = tuple(shape)
        self._strides = tuple(strides)
        self._device = device
        self._owner = owner

    def __dlpack_device__(self):
        return self._device

    def __dlpack__(self, **_):
        rank = len(self._shape)
        shape = (ctypes.c_int64 * rank)(*self._shape)
        strides = (ctypes.c_int64 * rank)(*self._strides)
        code, bits = DTYPES[self._dtype]
        tensor = DLTensor(
            self._address, DLDevice(*self._device), rank, DLDataType(code, bits, 1), shape, strides, 0
        )
        managed = DLManagedTensor(tensor, None, _delete)
        address = ctypes.addressof(managed)
        _alive[address] = (managed, shape, strides, self._owner)
        # No destructor: a capsule that nobody consumes keeps its entry, and the pages, for good.
        return _new_capsule(address, b"dltensor", None)
