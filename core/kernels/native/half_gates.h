// Half gates (Zahur, Rosulek, Evans 2015) over MiTCCR (Guo et al. 2020), instance-parallel: each gate is garbled for a
// block of instances before the next gate, so that AES runs wide and the block's wires stay in cache.
//
// Included once by each instruction set's unit, inside an unnamed namespace. V gives a vector of kLanes labels:
// load, store (partial forms take a lane count), xor by operators, masked(colourOf, value) = value where the label's
// colour bit is set, counter(key, lane), encrypt<Keys, Each>(keys, states), table row interleaving.

template <class V, int U>
inline void garbleAnd(const uint8_t* a, const uint8_t* b, uint8_t* out, uint8_t* rows, Key128 generatorKey,
                      Key128 evaluatorKey, typename V::Vec delta, int lanes) {
  using Vec = typename V::Vec;
  constexpr int kBytes = V::kLanes * 16;
  Vec keys[2 * U];
  Vec states[4 * U];
#pragma GCC unroll 8
  for (int u = 0; u < U; u++) {
    keys[u] = V::counter(generatorKey, u);
    keys[U + u] = V::counter(evaluatorKey, u);
    const Vec a0 = V::load(a + u * kBytes, lanes);
    const Vec b0 = V::load(b + u * kBytes, lanes);
    states[2 * u] = a0;
    states[2 * u + 1] = a0 ^ delta;
    states[2 * U + 2 * u] = b0;
    states[2 * U + 2 * u + 1] = b0 ^ delta;
  }
  V::template encrypt<2 * U, 2>(keys, states);
#pragma GCC unroll 8
  for (int u = 0; u < U; u++) {
    const Vec a0 = V::load(a + u * kBytes, lanes);
    const Vec b0 = V::load(b + u * kBytes, lanes);
    // The hash of x is encryption xor x; both of a pair together contribute a0 ^ (a0 ^ delta) = delta.
    const Vec aBoth = states[2 * u] ^ states[2 * u + 1] ^ delta;
    const Vec bBoth = states[2 * U + 2 * u] ^ states[2 * U + 2 * u + 1] ^ delta;
    const Vec generator = aBoth ^ V::masked(b0, delta);
    const Vec evaluator = bBoth ^ a0;
    const Vec zero = states[2 * u] ^ a0 ^ V::masked(a0, generator) ^ states[2 * U + 2 * u] ^ b0 ^ V::masked(b0, bBoth);
    V::store(out + u * kBytes, zero, lanes);
    V::storeRows(rows + u * kBytes * 2, generator, evaluator, lanes);
  }
}

template <class V, int U>
inline void evaluateAnd(const uint8_t* a, const uint8_t* b, uint8_t* out, const uint8_t* rows, Key128 generatorKey,
                        Key128 evaluatorKey, size_t nextRows, int lanes) {
  using Vec = typename V::Vec;
  constexpr int kBytes = V::kLanes * 16;
  // The same instances' rows of the next gate lie far off, where no hardware prefetcher looks.
  for (int line = 0; line < U * kBytes * 2; line += 64) __builtin_prefetch(rows + nextRows + line);
  Vec keys[2 * U];
  Vec states[2 * U];
#pragma GCC unroll 8
  for (int u = 0; u < U; u++) {
    keys[u] = V::counter(generatorKey, u);
    keys[U + u] = V::counter(evaluatorKey, u);
    states[u] = V::load(a + u * kBytes, lanes);
    states[U + u] = V::load(b + u * kBytes, lanes);
  }
  V::template encrypt<2 * U, 1>(keys, states);
#pragma GCC unroll 8
  for (int u = 0; u < U; u++) {
    const Vec x = V::load(a + u * kBytes, lanes);
    const Vec y = V::load(b + u * kBytes, lanes);
    Vec generator, evaluator;
    V::loadRows(rows + u * kBytes * 2, generator, evaluator, lanes);
    const Vec label = states[u] ^ x ^ V::masked(x, generator) ^ states[U + u] ^ y ^ V::masked(y, evaluator ^ x);
    V::store(out + u * kBytes, label, lanes);
  }
}

template <class V>
struct Wires {
  const Batch& batch;
  size_t from;

  const uint8_t* read(int32_t operand) const {
    if (operand >= 0) return batch.scratch + static_cast<size_t>(operand) * batch.block * 16;
    const size_t wire = static_cast<size_t>(-1 - static_cast<int64_t>(operand));
    const size_t own = static_cast<size_t>(batch.garblerInputs);
    return wire < own ? batch.garblerLabels + (wire * batch.instances + from) * 16
                      : batch.evaluatorLabels + ((wire - own) * batch.instances + from) * 16;
  }
  uint8_t* write(int32_t slot) const { return batch.scratch + static_cast<size_t>(slot) * batch.block * 16; }
};

template <class V>
inline void xorLabels(const uint8_t* a, const uint8_t* b, uint8_t* out, size_t size) {
  size_t j = 0;
  for (; j + V::kLanes <= size; j += V::kLanes) {
    V::store(out + j * 16, V::load(a + j * 16, V::kLanes) ^ V::load(b + j * 16, V::kLanes), V::kLanes);
  }
  if (j < size) {
    const int lanes = static_cast<int>(size - j);
    V::store(out + j * 16, V::load(a + j * 16, lanes) ^ V::load(b + j * 16, lanes), lanes);
  }
}

template <class V>
inline void notLabels(const uint8_t* a, uint8_t* out, typename V::Vec delta, size_t size) {
  size_t j = 0;
  for (; j + V::kLanes <= size; j += V::kLanes) {
    V::store(out + j * 16, V::load(a + j * 16, V::kLanes) ^ delta, V::kLanes);
  }
  if (j < size) {
    const int lanes = static_cast<int>(size - j);
    V::store(out + j * 16, V::load(a + j * 16, lanes) ^ delta, lanes);
  }
}

// Colour bits of `size` labels to a packed row that starts on a byte.
inline void storeColours(const uint8_t* labels, uint8_t* out, size_t size) {
  size_t j = 0;
  for (; j + 8 <= size; j += 8) {
    unsigned byte = 0;
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) byte |= static_cast<unsigned>(labels[(j + i) * 16] & 1) << i;
    out[j / 8] = static_cast<uint8_t>(byte);
  }
  for (; j < size; j++) out[j / 8] |= static_cast<uint8_t>((labels[j * 16] & 1) << (j % 8));
}

// kWide labels in flight for most of a block, one vector at a time at its end.
template <class V, bool kGarble>
void run(const Batch& batch) {
  using Vec = typename V::Vec;
  constexpr int kUnroll = kGarble ? V::kGarbleUnroll : V::kEvaluateUnroll;
  constexpr size_t kWide = static_cast<size_t>(kUnroll) * V::kLanes;
  const size_t n = batch.instances;
  const size_t rowBytes = (n + 7) / 8;
  Vec delta = V::zero();
  if (kGarble) delta = V::broadcast(batch.delta);

  for (size_t from = 0; from < n; from += batch.block) {
    const size_t size = n - from < batch.block ? n - from : batch.block;
    const Wires<V> wires{batch, from};
    size_t ands = 0;
    for (const Op* op = batch.plan.ops; op != batch.plan.ops + batch.plan.count; op++) {
      const uint8_t* a = wires.read(op->a);
      if (op->code == kOutput) {
        storeColours(a, batch.colours + static_cast<size_t>(op->out) * rowBytes + from / 8, size);
        continue;
      }
      uint8_t* out = wires.write(op->out);
      if (op->code == kNot) {
        notLabels<V>(a, out, delta, size);
        continue;
      }
      const uint8_t* b = wires.read(op->b);
      if (op->code == kXor) {
        xorLabels<V>(a, b, out, size);
        continue;
      }
      uint8_t* rows = batch.tables + (ands * n + from) * 32;
      const Key128 generatorKey = add128(batch.firstKey, 2 * ands * n + from);
      const Key128 evaluatorKey = add128(generatorKey, n);
      size_t j = 0;
      for (; j + kWide <= size; j += kWide) {
        const Key128 g = add128(generatorKey, j), e = add128(evaluatorKey, j);
        if constexpr (kGarble) {
          garbleAnd<V, kUnroll>(a + j * 16, b + j * 16, out + j * 16, rows + j * 32, g, e, delta, V::kLanes);
        } else {
          evaluateAnd<V, kUnroll>(a + j * 16, b + j * 16, out + j * 16, rows + j * 32, g, e, n * 32, V::kLanes);
        }
      }
      for (; j < size; j += V::kLanes) {
        const int lanes = size - j < V::kLanes ? static_cast<int>(size - j) : V::kLanes;
        const Key128 g = add128(generatorKey, j), e = add128(evaluatorKey, j);
        if constexpr (kGarble) {
          garbleAnd<V, 1>(a + j * 16, b + j * 16, out + j * 16, rows + j * 32, g, e, delta, lanes);
        } else {
          evaluateAnd<V, 1>(a + j * 16, b + j * 16, out + j * 16, rows + j * 32, g, e, n * 32, lanes);
        }
      }
      ands++;
    }
  }
  V::fence();
}
