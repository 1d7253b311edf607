// The GPUs of this machine, in words for JavaScript.
#ifndef VATTENTION_ATTENTION_CUDA_DEVICES_H_
#define VATTENTION_ATTENTION_CUDA_DEVICES_H_

#include <string>

namespace vattention::attention::cuda {

// JSON, with versions as "13.0" and "" where there is none:
//
//   {"driver":"13.0","runtime":"13.0","devices":[{"name":"NVIDIA H200","computeCapability":"9.0",
//    "memoryBytes":150323855360,"multiprocessors":132}]}
//
// `driver` is the newest CUDA that the driver supports; a device's index is its place. Where there
// is no device, `devices` is empty and `failed` has the call, its code and the reason in words.
// Makes no context on any device, and never throws for what the machine lacks.
std::string DescribeDevices();

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_DEVICES_H_
