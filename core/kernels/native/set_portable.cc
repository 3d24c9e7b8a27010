// The portable instruction set: software AES with T-tables, for processors without AES instructions that we know.
// Table look-ups indexed by labels are not constant-time in the cache.
#include "kernels.h"

#include <cstring>

namespace adyton {
namespace {

struct Tables {
  uint8_t sbox[256];
  uint32_t t[4][256];  // t[0][x] is the little-endian column (2s, s, s, 3s), the others its byte rotations

  constexpr Tables() : sbox(), t() {
    uint8_t power[256] = {};
    uint8_t log[256] = {};
    uint8_t x = 1;
    for (int i = 0; i < 255; i++) {
      power[i] = x;
      log[x] = static_cast<uint8_t>(i);
      x = static_cast<uint8_t>(x ^ twice(x));
    }
    for (int i = 0; i < 256; i++) {
      const uint8_t inverse = i == 0 ? 0 : power[(255 - log[i]) % 255];
      uint8_t s = static_cast<uint8_t>(inverse ^ 0x63);
      for (int by = 1; by <= 4; by++) s = static_cast<uint8_t>(s ^ (inverse << by) ^ (inverse >> (8 - by)));
      sbox[i] = s;
      const uint32_t s2 = twice(s);
      const uint32_t column = s2 | static_cast<uint32_t>(s) << 8 | static_cast<uint32_t>(s) << 16 | (s2 ^ s) << 24;
      t[0][i] = column;
      for (int r = 1; r < 4; r++) t[r][i] = column << (8 * r) | column >> (32 - 8 * r);
    }
  }

  static constexpr uint8_t twice(uint8_t x) { return static_cast<uint8_t>(x << 1 ^ (x & 0x80 ? 0x1b : 0)); }
};

constexpr Tables kTables;

struct Label {
  uint64_t low;
  uint64_t high;
};
inline Label operator^(Label x, Label y) { return {x.low ^ y.low, x.high ^ y.high}; }

inline void expandKey(Label key, uint32_t* rk) {
  rk[0] = static_cast<uint32_t>(key.low);
  rk[1] = static_cast<uint32_t>(key.low >> 32);
  rk[2] = static_cast<uint32_t>(key.high);
  rk[3] = static_cast<uint32_t>(key.high >> 32);
  const uint8_t* s = kTables.sbox;
  uint8_t rcon = 1;
  for (int i = 4; i < 44; i += 4) {
    const uint32_t last = rk[i - 1];
    const uint32_t sub = s[last >> 8 & 255] | static_cast<uint32_t>(s[last >> 16 & 255]) << 8 |
                         static_cast<uint32_t>(s[last >> 24]) << 16 | static_cast<uint32_t>(s[last & 255]) << 24;
    rk[i] = rk[i - 4] ^ sub ^ rcon;
    rk[i + 1] = rk[i - 3] ^ rk[i];
    rk[i + 2] = rk[i - 2] ^ rk[i + 1];
    rk[i + 3] = rk[i - 1] ^ rk[i + 2];
    rcon = Tables::twice(rcon);
  }
}

inline uint32_t column(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  const auto& t = kTables.t;
  return t[0][a & 255] ^ t[1][b >> 8 & 255] ^ t[2][c >> 16 & 255] ^ t[3][d >> 24];
}

inline uint32_t lastColumn(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  const uint8_t* s = kTables.sbox;
  return s[a & 255] | static_cast<uint32_t>(s[b >> 8 & 255]) << 8 | static_cast<uint32_t>(s[c >> 16 & 255]) << 16 |
         static_cast<uint32_t>(s[d >> 24]) << 24;
}

inline Label encryptBlock(const uint32_t* rk, Label x) {
  uint32_t a = static_cast<uint32_t>(x.low) ^ rk[0];
  uint32_t b = static_cast<uint32_t>(x.low >> 32) ^ rk[1];
  uint32_t c = static_cast<uint32_t>(x.high) ^ rk[2];
  uint32_t d = static_cast<uint32_t>(x.high >> 32) ^ rk[3];
  for (int i = 4; i < 40; i += 4) {
    const uint32_t e = column(a, b, c, d) ^ rk[i];
    const uint32_t f = column(b, c, d, a) ^ rk[i + 1];
    const uint32_t g = column(c, d, a, b) ^ rk[i + 2];
    const uint32_t h = column(d, a, b, c) ^ rk[i + 3];
    a = e;
    b = f;
    c = g;
    d = h;
  }
  const uint64_t e = lastColumn(a, b, c, d) ^ rk[40], f = lastColumn(b, c, d, a) ^ rk[41];
  const uint64_t g = lastColumn(c, d, a, b) ^ rk[42], h = lastColumn(d, a, b, c) ^ rk[43];
  return {e | f << 32, g | h << 32};
}

// Labels are handled as little-endian integers, like every platform that Node runs on.
struct V {
  using Vec = Label;
  static constexpr int kLanes = 1;
  static constexpr int kGarbleUnroll = 1;
  static constexpr int kEvaluateUnroll = 1;

  static Vec zero() { return {0, 0}; }
  static Vec broadcast(const uint8_t* p) { return load(p, 1); }
  static Vec load(const uint8_t* p, int) {
    Vec v;
    std::memcpy(&v, p, 16);
    return v;
  }
  static void store(uint8_t* p, Vec v, int) { std::memcpy(p, &v, 16); }
  static void storeRows(uint8_t* p, Vec generator, Vec evaluator, int) {
    std::memcpy(p, &generator, 16);
    std::memcpy(p + 16, &evaluator, 16);
  }
  static void loadRows(const uint8_t* p, Vec& generator, Vec& evaluator, int) {
    generator = load(p, 1);
    evaluator = load(p + 16, 1);
  }
  static Vec masked(Vec colourOf, Vec value) {
    const uint64_t mask = 0 - (colourOf.low & 1);
    return {value.low & mask, value.high & mask};
  }
  static Vec counter(Key128 key, int u) {
    const Key128 sum = add128(key, static_cast<uint64_t>(u));
    return {sum.low, sum.high};
  }
  template <int kKeys, int kEach>
  static void encrypt(Vec (&keys)[kKeys], Vec (&states)[kKeys * kEach]) {
    for (int k = 0; k < kKeys; k++) {
      uint32_t rk[44];
      expandKey(keys[k], rk);
      for (int i = 0; i < kEach; i++) states[k * kEach + i] = encryptBlock(rk, states[k * kEach + i]);
    }
  }
  static void fence() {}
};

#include "half_gates.h"

template <class W>
struct Scalars {
  using Word = W;
  static constexpr size_t kLanes = 16 / sizeof(W);
  static constexpr int kRows = 2;
  struct Value {
    W lane[kLanes];
  };
  using Sum = Value;
  using Weight = W;

  static Sum zero() { return {}; }
  static Value value(const W* p) {
    Value v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  static Weight weight(int32_t w) { return static_cast<W>(static_cast<int64_t>(w)); }
  static Sum multiplyAdd(Sum sum, Value v, Weight w) {
    for (size_t i = 0; i < kLanes; i++) sum.lane[i] += v.lane[i] * w;
    return sum;
  }
  static void store(W* p, Sum sum) { std::memcpy(p, &sum, sizeof sum); }
};

#include "product.h"

const InstructionSet kSet = {run<V, true>,           run<V, false>,
                             product<Scalars<uint32_t>>, product<Scalars<uint64_t>>,
                             matvec<uint32_t, int32_t>,  matvec<uint64_t, int64_t>};

}  // namespace

const InstructionSet* const kPortable = &kSet;

}  // namespace adyton
