// Elements of ring products in AVX2 registers, for product.h. Included once by each unit that uses them, inside an
// unnamed namespace.

struct Lanes32 {
  using Word = uint32_t;
  static constexpr size_t kLanes = 8;
  static constexpr int kRows = 4;
  using Value = __m256i;
  using Sum = __m256i;
  using Weight = __m256i;

  static Sum zero() { return _mm256_setzero_si256(); }
  static Value value(const Word* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Weight weight(int32_t w) { return _mm256_set1_epi32(w); }
  static Sum multiplyAdd(Sum sum, Value v, Weight w) { return _mm256_add_epi32(sum, _mm256_mullo_epi32(v, w)); }
  static void store(Word* p, Sum sum) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), sum); }
};

// x = high * 2^32 + low with low taken as signed (and high raised by one where that made it negative), so that signed
// 32-bit multiplications give w * x = w * low + (w * high mod 2^32) * 2^32; the two sums meet only at the end.
struct Lanes64 {
  using Word = uint64_t;
  static constexpr size_t kLanes = 4;
  static constexpr int kRows = 2;
  struct Value {
    __m256i low;
    __m256i high;
  };
  using Sum = Value;
  using Weight = __m256i;

  static Sum zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static Value value(const Word* p) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i sign = _mm256_srli_epi64(_mm256_slli_epi64(x, 32), 63);
    return {x, _mm256_add_epi64(_mm256_srli_epi64(x, 32), sign)};
  }
  static Weight weight(int32_t w) { return _mm256_set1_epi32(w); }
  static Sum multiplyAdd(Sum sum, Value v, Weight w) {
    return {_mm256_add_epi64(sum.low, _mm256_mul_epi32(v.low, w)),
            _mm256_add_epi64(sum.high, _mm256_mul_epi32(v.high, w))};
  }
  static void store(Word* p, Sum sum) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm256_add_epi64(sum.low, _mm256_slli_epi64(sum.high, 32)));
  }
};
