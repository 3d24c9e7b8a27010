// Calls of the addon that make correlated transfers.
#pragma once

#include "arguments.h"
#include "ot.h"

namespace adyton {

// (set, bits, leaves, firstBlock, n, choices) -> message
Napi::Value cotChooseCall(Arguments& args);
// (set, bits, leaves, firstBlock, n, memory or undefined) -> labels
Napi::Value cotLabelsCall(Arguments& args);
// (set, bits, leaves, firstBlock, n, delta, message, memory or undefined) -> labels
Napi::Value cotSendCall(Arguments& args);

}  // namespace adyton
