// Matrix products in Z_2^32 and Z_2^64: a panel of the image's columns is gathered once, then multiplied by every row
// of weights with a register tile of kRows x kVectors accumulators.
//
// Included once by each instruction set's unit, inside an unnamed namespace. L gives a vector of kLanes elements:
// Value (loaded elements), Sum (accumulator), Weight (a broadcast weight).

template <class L, int kRows, int kVectors>
inline void tile(const int32_t* weights, size_t weightStride, const typename L::Word* panel, size_t taps,
                 typename L::Word* out, size_t outStride, size_t columns, bool accumulate) {
  using Word = typename L::Word;
  typename L::Sum sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int m = 0; m < kRows; m++) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) sums[m][v] = L::zero();
  }
  for (size_t k = 0; k < taps; k++) {
    typename L::Value values[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) values[v] = L::value(panel + (k * kVectors + v) * L::kLanes);
#pragma GCC unroll 8
    for (int m = 0; m < kRows; m++) {
      const typename L::Weight w = L::weight(weights[m * weightStride + k]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++) sums[m][v] = L::multiplyAdd(sums[m][v], values[v], w);
    }
  }
  for (int m = 0; m < kRows; m++) {
    Word row[kVectors * L::kLanes];
    for (int v = 0; v < kVectors; v++) L::store(row + v * L::kLanes, sums[m][v]);
    Word* to = out + m * outStride;
    for (size_t i = 0; i < columns; i++) to[i] = accumulate ? to[i] + row[i] : row[i];
  }
}

// Positions [begin, end) of the product.
template <class L, int kVectors>
void panels(const Product& p, size_t begin, size_t end) {
  using Word = typename L::Word;
  constexpr size_t kColumns = static_cast<size_t>(kVectors) * L::kLanes;
  constexpr size_t kTaps = kPanelBytes / (kColumns * sizeof(Word));
  const Word* image = static_cast<const Word*>(p.image);
  Word* panel = static_cast<Word*>(p.panel);
  Word* out = static_cast<Word*>(p.out);
  for (size_t from = begin; from < end; from += kColumns) {
    const size_t columns = end - from < kColumns ? end - from : kColumns;
    for (size_t first = 0; first < p.taps; first += kTaps) {
      const size_t taps = p.taps - first < kTaps ? p.taps - first : kTaps;
      for (size_t k = 0; k < taps; k++) {
        const Word* source = image + p.tap[first + k];
        Word* to = panel + k * kColumns;
        for (size_t i = 0; i < columns; i++) to[i] = source[p.position[from + i]];
        for (size_t i = columns; i < kColumns; i++) to[i] = 0;
      }
      const int32_t* weights = p.weights + first;
      size_t m = 0;
      for (; m + L::kRows <= p.rows; m += L::kRows) {
        tile<L, L::kRows, kVectors>(weights + m * p.taps, p.taps, panel, taps, out + m * p.positions + from,
                                    p.positions, columns, first > 0);
      }
      for (; m < p.rows; m++) {
        tile<L, 1, kVectors>(weights + m * p.taps, p.taps, panel, taps, out + m * p.positions + from, p.positions,
                             columns, first > 0);
      }
    }
  }
}

// Panels two vectors wide, and a narrow one for what is left when that fits in it.
template <class L>
void product(const Product& p) {
  const size_t rest = p.positions % (2 * L::kLanes);
  const size_t wide = rest > 0 && rest <= L::kLanes ? p.positions - rest : p.positions;
  panels<L, 2>(p, 0, wide);
  panels<L, 1>(p, wide, p.positions);
}

// out = weights [rows][cols] times x; the compiler vectorises the sum with the unit's instructions.
template <class Word, class Signed>
void matvec(const Word* x, const int32_t* weights, size_t rows, size_t cols, Word* out) {
  for (size_t r = 0; r < rows; r++) {
    const int32_t* w = weights + r * cols;
    Word sum = 0;
    for (size_t c = 0; c < cols; c++) sum += static_cast<Word>(static_cast<Signed>(w[c])) * x[c];
    out[r] = sum;
  }
}
