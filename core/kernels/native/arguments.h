// Arguments of a call from JavaScript: read in order, each checked for type, range and length.
#pragma once

#include "he.h"
#include "kernels.h"

// A worker that is being terminated cannot throw: what it would throw is dropped, not turned into std::terminate.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#include <napi.h>

#include <cmath>
#include <cstdint>
#include <string>

namespace adyton {

[[noreturn]] inline void refuse(Napi::Env env, const std::string& why) { throw Napi::RangeError::New(env, why); }

// Reads arguments in order; every reader checks type and range and names the argument.
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  Napi::Env env() const { return info_.Env(); }
  Napi::Value next() const { return info_[at_]; }
  void skip() { at_++; }

  uint64_t integer(const char* name, uint64_t low, uint64_t high) {
    const Napi::Value value = info_[at_++];
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
    if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) || std::floor(number) != number) {
      refuse(env(), std::string(name) + " is out of range");
    }
    return static_cast<uint64_t>(number);
  }

  Napi::Uint8Array bytes(const char* name, uint64_t length) {
    return array<Napi::Uint8Array>(name, napi_uint8_array, length);
  }
  Napi::Uint32Array words(const char* name, uint64_t length) {
    return array<Napi::Uint32Array>(name, napi_uint32_array, length);
  }
  Napi::Int32Array integers(const char* name) {
    return array<Napi::Int32Array>(name, napi_int32_array, ~uint64_t{0});
  }
  Napi::Int32Array integers(const char* name, uint64_t length) {
    return array<Napi::Int32Array>(name, napi_int32_array, length);
  }
  Napi::Int8Array signedBytes(const char* name, uint64_t length) {
    return array<Napi::Int8Array>(name, napi_int8_array, length);
  }

  const InstructionSet& instructionSet();
  const HeSet& heSet();

 private:
  size_t setNumber();

  template <class Array>
  Array array(const char* name, napi_typedarray_type type, uint64_t length) {
    const Napi::Value value = info_[at_++];
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
      throw Napi::TypeError::New(env(), std::string(name) + " is not the right kind of typed array");
    }
    const Array array = value.As<Array>();
    if (length != ~uint64_t{0} && array.ElementLength() != length) {
      refuse(env(), std::string(name) + " must have " + std::to_string(length) + " elements, got " +
                        std::to_string(array.ElementLength()));
    }
    return array;
  }

  const Napi::CallbackInfo& info_;
  size_t at_ = 0;
};

inline size_t Arguments::setNumber() {
  const size_t number = integer("instruction set", 0, kSets - 1);
  if (setByNumber(number) == nullptr) refuse(env(), "this processor cannot run that instruction set");
  return number;
}

inline const InstructionSet& Arguments::instructionSet() { return *setByNumber(setNumber()); }
inline const HeSet& Arguments::heSet() { return heByNumber(setNumber()); }

}  // namespace adyton
