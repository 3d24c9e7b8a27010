// Scratch memory aligned to cache lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

namespace adyton {

class AlignedBytes {
 public:
  explicit AlignedBytes(size_t bytes)
      : data_(static_cast<uint8_t*>(::operator new(bytes == 0 ? 64 : bytes, std::align_val_t{64}))) {}
  ~AlignedBytes() { ::operator delete(data_, std::align_val_t{64}); }
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;

  uint8_t* data() const { return data_; }

 private:
  uint8_t* data_;
};

}  // namespace adyton
