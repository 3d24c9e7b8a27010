// The HE part of the addon's face; arguments as NativeAddon of core/kernels/native.ts has them.
#pragma once

#include "arguments.h"

namespace adyton {

Napi::Value nttForwardCall(Arguments& args);
Napi::Value nttInverseCall(Arguments& args);
Napi::Value accumulateCall(Arguments& args);
Napi::Value divideRoundCall(Arguments& args);
Napi::Value addEncryptedZeroCall(Arguments& args);
Napi::Value maskSharesCall(Arguments& args);

}  // namespace adyton
