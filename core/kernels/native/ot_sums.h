// Keystreams of one tree's leaves and their sums by bits of the leaf's number. Included once by each instruction set's
// unit, inside an unnamed namespace. V gives vectors of kBlocks AES blocks: load, store, counter(first block),
// encrypt<n>(round keys, counters, states), xor by operator.

template <class V, int K>
inline void sumTree(const LeafSums& call) {
  using Vec = typename V::Vec;
  constexpr int kVectors = kColumnBytes / (16 * V::kBlocks);
  constexpr int kFlight = kVectors < V::kFlight ? kVectors : V::kFlight;
  constexpr int kLeaves = 1 << K;
  alignas(64) uint8_t streams[kLeaves][kColumnBytes];
  Vec counters[kVectors];
  for (int v = 0; v < kVectors; v++) counters[v] = V::counter(call.firstBlock + static_cast<uint64_t>(v) * V::kBlocks);
  for (int x = 0; x < kLeaves; x++) {
    const uint8_t* keys = call.roundKeys + static_cast<size_t>(x) * kRoundKeyBytes;
    for (int v = 0; v < kVectors; v += kFlight) {
      Vec states[kFlight];
      V::template encrypt<kFlight>(keys, counters + v, states);
      for (int i = 0; i < kFlight; i++) V::store(streams[x] + (v + i) * 16 * V::kBlocks, states[i]);
    }
  }
  // Leaves are added up in pairs; the odd ones of each round are those whose number has the round's bit.
  for (int v = 0; v < kVectors; v++) {
    const int at = v * 16 * V::kBlocks;
    Vec sums[kLeaves];
#pragma GCC unroll 16
    for (int x = 0; x < kLeaves; x++) sums[x] = V::load(streams[x] + at);
#pragma GCC unroll 4
    for (int bit = 0; bit < K; bit++) {
      Vec odd = sums[1];
#pragma GCC unroll 8
      for (int m = 1; m < kLeaves >> (bit + 1); m++) odd = odd ^ sums[2 * m + 1];
#pragma GCC unroll 8
      for (int m = 0; m < kLeaves >> (bit + 1); m++) sums[m] = sums[2 * m] ^ sums[2 * m + 1];
      V::store(call.out + bit * kColumnBytes + at, odd);
    }
    V::store(call.out + K * kColumnBytes + at, sums[0]);
  }
}

template <class V>
void leafSums(const LeafSums& call) {
  if (call.bits == 4) {
    sumTree<V, 4>(call);
  } else if (call.bits == 2) {
    sumTree<V, 2>(call);
  } else {
    sumTree<V, 1>(call);
  }
}
