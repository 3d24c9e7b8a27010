// AES-128 of a few blocks under each of many keys, which are expanded on the way. Four vectors of keys are expanded at
// once, held word by word: SubWord of all their last words is one AES instruction, whose ShiftRows a byte shuffle
// before it undoes (together with RotWord).
//
// Included once by each unit that has AES instructions, inside an unnamed namespace. V gives
// transposeWords(a, b, c, d, out): the 4 x 4 words of each lane; nextKey(words, rcon): the words of one round key to
// those of the next; addKey(state, roundKey, round): the cipher from round key `round`, 0 .. 10, to before the next.

constexpr uint8_t kRotate[16] = {1, 14, 11, 4, 5, 2, 15, 8, 9, 6, 3, 12, 13, 10, 7, 0};
constexpr int kRcon[10] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36};

// The words of the next round key, given what its first adds: running sums w0, w0 ^ w1, ... each with sub, one step
// after sub is known, as the next round waits for the last word.
template <class Vec>
inline void addRunning(Vec (&w)[4], Vec sub) {
  const Vec two = w[0] ^ w[1], three = two ^ w[2], four = three ^ w[3];
  w[0] ^= sub;
  w[1] = two ^ sub;
  w[2] = three ^ sub;
  w[3] = four ^ sub;
}

template <class V, int kKeys, int kEach>
inline void encryptExpanding(const typename V::Vec (&keys)[kKeys], typename V::Vec (&states)[kKeys * kEach]) {
  using Vec = typename V::Vec;
  constexpr int kGroups = (kKeys + 3) / 4;
  Vec words[kGroups][4];
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; g++) {
    const auto key = [&](int i) { return keys[4 * g + i < kKeys ? 4 * g + i : 0]; };
    V::transposeWords(key(0), key(1), key(2), key(3), words[g]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kKeys * kEach; i++) states[i] = V::addKey(states[i], keys[i / kEach], 0);
#pragma GCC unroll 10
  for (int round = 0; round < 10; round++) {
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; g++) {
      V::nextKey(words[g], kRcon[round]);
      Vec roundKeys[4];
      V::transposeWords(words[g][0], words[g][1], words[g][2], words[g][3], roundKeys);
#pragma GCC unroll 16
      for (int i = 0; i < 4 * kEach; i++) {
        if (4 * g * kEach + i >= kKeys * kEach) break;
        Vec& state = states[4 * g * kEach + i];
        state = V::addKey(state, roundKeys[i / kEach], round + 1);
      }
    }
  }
}
