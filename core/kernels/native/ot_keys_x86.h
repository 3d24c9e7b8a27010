// AES-128's key schedule with AESKEYGENASSIST. Included inside an unnamed namespace of a unit with -maes.

template <int kRcon>
inline __m128i nextRoundKey(__m128i key) {
  const __m128i word = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, kRcon), 0xff);
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
  return _mm_xor_si128(key, word);
}

inline void expandKey(const uint8_t* key, uint8_t* roundKeys) {
  __m128i* to = reinterpret_cast<__m128i*>(roundKeys);
  __m128i k = _mm_loadu_si128(reinterpret_cast<const __m128i*>(key));
  _mm_storeu_si128(to, k);
  _mm_storeu_si128(to + 1, k = nextRoundKey<0x01>(k));
  _mm_storeu_si128(to + 2, k = nextRoundKey<0x02>(k));
  _mm_storeu_si128(to + 3, k = nextRoundKey<0x04>(k));
  _mm_storeu_si128(to + 4, k = nextRoundKey<0x08>(k));
  _mm_storeu_si128(to + 5, k = nextRoundKey<0x10>(k));
  _mm_storeu_si128(to + 6, k = nextRoundKey<0x20>(k));
  _mm_storeu_si128(to + 7, k = nextRoundKey<0x40>(k));
  _mm_storeu_si128(to + 8, k = nextRoundKey<0x80>(k));
  _mm_storeu_si128(to + 9, k = nextRoundKey<0x1b>(k));
  _mm_storeu_si128(to + 10, nextRoundKey<0x36>(k));
}
