// Byte arrays that calls of the addon return.
#pragma once

#include "arguments.h"

#include <cstddef>
#include <cstdint>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace adyton {

// A new byte array whose first byte is aligned to `alignment`; the memory behind it may start earlier.
inline Napi::Uint8Array newBytes(Napi::Env env, size_t bytes, size_t alignment = 1) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes + alignment - 1);
  const size_t past = alignment == 1 ? 0 : reinterpret_cast<uintptr_t>(buffer.Data()) % alignment;
  const size_t offset = past == 0 ? 0 : alignment - past;
#if defined(__linux__)
  // Huge pages: the first touch of a table is otherwise a page fault every 128 AND gates.
  constexpr uintptr_t kPage = 4096;
  if (bytes >= size_t{4} << 20) {
    const uintptr_t first = (reinterpret_cast<uintptr_t>(buffer.Data()) + kPage - 1) / kPage * kPage;
    const uintptr_t last = (reinterpret_cast<uintptr_t>(buffer.Data()) + bytes) / kPage * kPage;
    madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
  }
#endif
  return Napi::Uint8Array::New(env, bytes, buffer, offset);
}

}  // namespace adyton
