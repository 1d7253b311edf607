// Seen before upstream's launch code (-include): of the choices that it makes at run time, those
// that a launch of ours (launch.cc) always answers the same way are made here, so that half of the
// kernels need not be compiled. Lengths are always told per sequence, so blocks are never known to
// be whole; new keys are always appended beforehand; the softmax is never returned. Without dropout
// and with exact head dims the kernels that are left are upstream's own.
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_2_SWITCHES_H_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_2_SWITCHES_H_

#include <static_switch.h>

// `run` with a constant of that name.
#define VATTN_WITH(name, value, ...)      \
  [&] {                                   \
    static constexpr bool name = (value); \
    return __VA_ARGS__();                 \
  }()
#define VATTN_EITHER(condition, name, ...) \
  ((condition) ? VATTN_WITH(name, true, __VA_ARGS__) : VATTN_WITH(name, false, __VA_ARGS__))

// By the names that upstream gives the constants. Another name does not compile.
#define VATTN_SWITCH_IsEvenMNConst(condition, ...) VATTN_WITH(IsEvenMNConst, false, __VA_ARGS__)
#define VATTN_SWITCH_ReturnSoftmaxConst(condition, ...) \
  VATTN_WITH(ReturnSoftmaxConst, false, __VA_ARGS__)
#define VATTN_SWITCH_Append_KV(condition, ...) VATTN_WITH(Append_KV, false, __VA_ARGS__)
#define VATTN_SWITCH_Is_local(condition, ...) VATTN_EITHER(condition, Is_local, __VA_ARGS__)
#define VATTN_SWITCH_Split(condition, ...) VATTN_EITHER(condition, Split, __VA_ARGS__)
#define VATTN_SWITCH_Has_alibi(condition, ...) VATTN_EITHER(condition, Has_alibi, __VA_ARGS__)
#define VATTN_SWITCH_Is_softcap(condition, ...) VATTN_EITHER(condition, Is_softcap, __VA_ARGS__)

#undef BOOL_SWITCH
#define BOOL_SWITCH(condition, name, ...) VATTN_SWITCH_##name(condition, __VA_ARGS__)

#endif  // VATTENTION_ATTENTION_FLASH_ATTENTION_2_SWITCHES_H_
