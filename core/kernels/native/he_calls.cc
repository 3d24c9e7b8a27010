#include "he_calls.h"

#include "he_client.h"
#include "he_ops.h"
#include "memory.h"
#include "residues.h"

#include <cstring>
#include <vector>

namespace adyton {
namespace {

constexpr uint64_t kMostPrimes = 16;
constexpr uint64_t kMostPolys = uint64_t{1} << 20;

[[noreturn]] void refuseResidue(Napi::Env env) { refuse(env, "a residue is not below its prime"); }

uint64_t* words64(const Napi::Env& env, Napi::Uint32Array words, const char* name) {
  if (words.ByteOffset() % 8 != 0) refuse(env, std::string(name) + " must be aligned to 8 bytes");
  return reinterpret_cast<uint64_t*>(words.Data());
}

// Instruction set, degree, primes, tables: what every call starts with.
struct RingArguments {
  const HeSet& set;
  uint64_t degree, primes;
  std::vector<NttRing> rings;

  explicit RingArguments(Arguments& args)
      : set(args.heSet()), degree(args.integer("degree", 16, 65536)), primes(args.integer("primes", 1, kMostPrimes)) {
    if ((degree & (degree - 1)) != 0) refuse(args.env(), "degree is not a power of two");
    const Napi::Uint32Array tables = args.words("tables", 2 * primes * (kRingHeader + 4 * degree));
    if (!readRing(words64(args.env(), tables, "tables"), degree, primes, rings)) {
      refuse(args.env(), "tables do not hold primes of 33 to 61 bits");
    }
  }

  // Words of 32 bits in a polynomial at all primes.
  uint64_t polynomial() const { return 2 * degree * primes; }
};

Napi::Value transform(Arguments& args, bool forward) {
  const RingArguments ring(args);
  const uint64_t polys = args.integer("polys", 1, kMostPolys);
  const Napi::Uint32Array words = args.words("words", polys * ring.polynomial());
  uint64_t* x = words64(args.env(), words, "words");
  if (!allReduced(ring.set, ring.rings, x, polys)) refuseResidue(args.env());
  for (uint64_t poly = 0; poly < polys; poly++) {
    for (const NttRing& prime : ring.rings) {
      (forward ? ring.set.forward : ring.set.inverse)(prime, x);
      x += ring.degree;
    }
  }
  return args.env().Undefined();
}

}  // namespace

Napi::Value nttForwardCall(Arguments& args) { return transform(args, true); }
Napi::Value nttInverseCall(Arguments& args) { return transform(args, false); }

Napi::Value accumulateCall(Arguments& args) {
  const RingArguments ring(args);
  const uint64_t uploads = args.integer("uploads", 1, kMostPolys);
  const uint64_t first = args.integer("first", 0, uploads - 1);
  const uint64_t tiles = args.integer("tiles", 1, kMostPolys);
  const uint64_t tileStride = args.integer("tileStride", 0, kMostPolys);
  const uint64_t blocks = args.integer("blocks", 1, kMostPolys);
  if ((tiles - 1) * tileStride + blocks > uploads - first) refuse(args.env(), "tiles and blocks exceed the uploads");
  const Napi::Uint32Array inputs = args.words("inputs", uploads * 2 * ring.polynomial());
  const Napi::Int32Array weights = args.integers("weights", blocks * ring.degree);
  const Napi::Uint32Array sums = args.words("sums", tiles * 2 * ring.polynomial());
  const uint64_t* in = words64(args.env(), inputs, "inputs") + first * ring.polynomial();
  if (!accumulateWeights(ring.set, ring.rings, in, tiles, tileStride, weights.Data(), blocks,
                         words64(args.env(), sums, "sums"))) {
    refuseResidue(args.env());
  }
  return args.env().Undefined();
}

Napi::Value divideRoundCall(Arguments& args) {
  const RingArguments ring(args);
  if (ring.primes < 2) refuse(args.env(), "primes must be at least 2");
  const uint64_t polys = args.integer("polys", 1, kMostPolys);
  const Napi::Uint32Array words = args.words("words", polys * ring.polynomial());
  const uint64_t* from = words64(args.env(), words, "words");
  if (!allReduced(ring.set, ring.rings, from, polys)) refuseResidue(args.env());
  const AlignedBytes scratch(words.ByteLength());
  std::memcpy(scratch.data(), from, words.ByteLength());
  const Napi::Uint32Array out = args.words("out", polys * 2 * ring.degree * (ring.primes - 1));
  divideRound(ring.set, ring.rings, reinterpret_cast<uint64_t*>(scratch.data()), polys,
              words64(args.env(), out, "out"));
  return args.env().Undefined();
}

Napi::Value addEncryptedZeroCall(Arguments& args) {
  const RingArguments ring(args);
  if (ring.primes < 2) refuse(args.env(), "primes must be at least 2");
  const Napi::Uint32Array key = args.words("key", 2 * ring.polynomial());
  const Napi::Int8Array ternary = args.signedBytes("ternary", ring.degree);
  const Napi::Uint8Array noise = args.bytes("noise", 2 * ring.degree * kNoiseBytes);
  const Napi::Uint32Array words = args.words("words", 4 * ring.degree * (ring.primes - 1));
  uint64_t* to = words64(args.env(), words, "words");
  const std::vector<NttRing> kept(ring.rings.begin(), ring.rings.end() - 1);
  if (!allReduced(ring.set, kept, to, 2) ||
      !addEncryptedZero(ring.set, ring.rings, words64(args.env(), key, "key"), ternary.Data(), noise.Data(), to)) {
    refuseResidue(args.env());
  }
  return args.env().Undefined();
}

Napi::Value maskSharesCall(Arguments& args) {
  const RingArguments ring(args);
  const uint64_t bits = args.integer("bits", 1, 63);
  const uint64_t count = args.integer("count", 1, kMostPolys);
  const Napi::Uint32Array stream = args.words("stream", 2 * count * ring.primes);
  const Napi::Uint32Array residues = args.words("residues", 2 * count * ring.primes);
  const Napi::Uint32Array shares = args.words("shares", 2 * count);
  const bool valid = maskShares(ring.rings, static_cast<unsigned>(bits), words64(args.env(), stream, "stream"), count,
                                words64(args.env(), residues, "residues"), words64(args.env(), shares, "shares"));
  return Napi::Boolean::New(args.env(), valid);
}

Napi::Value expandSeedCall(Arguments& args) {
  const RingArguments ring(args);
  const Napi::Uint8Array seed = args.bytes("seed", kSeedBytes);
  const Napi::Uint32Array out = args.words("words", ring.polynomial());
  expandSeed(ring.set, ring.rings, seed.Data(), words64(args.env(), out, "words"));
  return args.env().Undefined();
}

Napi::Value encryptSeededCall(Arguments& args) {
  const RingArguments ring(args);
  const uint64_t bits = args.integer("bits", 1, 60);
  const Napi::Uint32Array key = args.words("key", 2 * ring.polynomial());
  const Napi::Uint8Array seed = args.bytes("seed", kSeedBytes);
  const Napi::Uint8Array noise = args.bytes("noise", ring.degree * kNoiseBytes);
  const Napi::Uint32Array plain = args.words("plain", 2 * ring.degree);
  const Napi::Uint32Array out = args.words("out", ring.polynomial());
  if (!encryptSeeded(ring.set, ring.rings, static_cast<unsigned>(bits), words64(args.env(), key, "key"), seed.Data(),
                     noise.Data(), words64(args.env(), plain, "plain"), words64(args.env(), out, "out"))) {
    refuse(args.env(), "a residue is not below its prime, or a coefficient is not below its modulus");
  }
  return args.env().Undefined();
}

Napi::Value decryptScaledCall(Arguments& args) {
  const RingArguments ring(args);
  const uint64_t bits = args.integer("bits", 1, 60);
  const Napi::Uint32Array constants = args.words("constants", 2 * (kDecryptHeader + kDecryptPrime * ring.primes));
  const Napi::Uint32Array key = args.words("key", 2 * ring.polynomial());
  const Napi::Uint32Array words = args.words("words", 2 * ring.polynomial());
  const uint64_t count = args.integer("count", 0, ring.degree);
  const Napi::Uint32Array places = args.words("places", count);
  const Napi::Uint32Array out = args.words("out", 2 * ring.degree);
  if (!decryptScaled(ring.set, ring.rings, static_cast<unsigned>(bits), words64(args.env(), constants, "constants"),
                     words64(args.env(), key, "key"), words64(args.env(), words, "words"),
                     places.Data(), count, words64(args.env(), out, "out"))) {
    refuseResidue(args.env());
  }
  return args.env().Undefined();
}

namespace {

// Where residues are taken from or put: words, how many, and, unless `places` is undefined, their places, all checked.
struct ResidueArguments {
  uint64_t* words;
  uint64_t count;
  const uint32_t* places = nullptr;

  explicit ResidueArguments(Arguments& args) {
    const uint64_t size = args.integer("size", 0, kMostPolys);
    words = words64(args.env(), args.words("words", 2 * size), "words");
    count = args.integer("count", 0, size);
    if (args.next().IsUndefined()) {
      args.skip();
      return;
    }
    places = args.words("places", count).Data();
    for (uint64_t i = 0; i < count; i++) {
      if (places[i] >= size) refuse(args.env(), "places must be below the number of residues");
    }
  }
};

}  // namespace

Napi::Value packResiduesCall(Arguments& args) {
  const ResidueArguments residues(args);
  const unsigned bits = static_cast<unsigned>(args.integer("bits", 33, 63));
  Napi::Uint8Array out = args.bytes("out", packedBytes(residues.count, bits));
  packResidues(residues.words, residues.places, residues.count, bits, out.Data());
  return args.env().Undefined();
}

Napi::Value unpackResiduesCall(Arguments& args) {
  const ResidueArguments residues(args);
  const uint64_t low = args.integer("low", 0, ~uint32_t{0}), high = args.integer("high", 1, (uint64_t{1} << 31) - 1);
  const unsigned bits = 64 - static_cast<unsigned>(__builtin_clzll(high << 32 | low));
  const Napi::Uint8Array bytes = args.bytes("bytes", packedBytes(residues.count, bits));
  return Napi::Boolean::New(args.env(), unpackResidues(bytes.Data(), residues.count, bits, high << 32 | low,
                                                       residues.places, residues.words));
}

}  // namespace adyton
