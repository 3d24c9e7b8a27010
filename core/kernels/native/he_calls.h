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
Napi::Value expandSeedCall(Arguments& args);
Napi::Value encryptSeededCall(Arguments& args);
Napi::Value decryptScaledCall(Arguments& args);
Napi::Value packResiduesCall(Arguments& args);
Napi::Value unpackResiduesCall(Arguments& args);

}  // namespace adyton
