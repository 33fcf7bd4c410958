// Exact top-k search: for each cell of a frame, the most similar cells of other frames inside its
// window, and the means of the labels there. `drift_ros/propagation/compiled.py` calls it.
//
// The targets of a tile are the lanes of a few vectors; up to SOURCES cells are multiplied with
// them at a time. The similarities stay in registers: they are compared with the k-th best that
// each target has found so far, and only the few that reach it are looked at one by one. Windows
// are checked there too, so the products over a tile's whole neighbourhood have no special cases.
//
// Each similarity is one chain of additions over the channels, wherever its cells lie, so equal
// descriptors give equal similarities to the bit and the result does not depend on the threads.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace {

constexpr float INF = std::numeric_limits<float>::infinity();

// Sizes that fill the registers: SOURCES * PARTS sums, PARTS targets and one source.
// `reached` has a bit for each lane where a >= b.
#if defined(__AVX512F__)
constexpr int WIDTH = 16, ROWS = 4, COLUMNS = 8, SOURCES = 8;
using Vector = float __attribute__((vector_size(64)));
inline unsigned reached(Vector a, Vector b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
#elif defined(__AVX2__)
constexpr int WIDTH = 8, ROWS = 4, COLUMNS = 4, SOURCES = 6;
using Vector = float __attribute__((vector_size(32)));
inline unsigned reached(Vector a, Vector b) {
  return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ));
}
#elif defined(__SSE2__)
constexpr int WIDTH = 4, ROWS = 4, COLUMNS = 4, SOURCES = 2;
using Vector = float __attribute__((vector_size(16)));
inline unsigned reached(Vector a, Vector b) { return _mm_movemask_ps(_mm_cmpge_ps(a, b)); }
#elif defined(__ARM_NEON) && defined(__aarch64__)
constexpr int WIDTH = 4, ROWS = 4, COLUMNS = 4, SOURCES = 6;
using Vector = float32x4_t;
inline unsigned reached(Vector a, Vector b) {
  const uint32x4_t bits = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(vcgeq_f32(a, b), bits));
}
#else
constexpr int WIDTH = 4, ROWS = 4, COLUMNS = 4, SOURCES = 2;
using Vector = float __attribute__((vector_size(16)));
inline unsigned reached(Vector a, Vector b) {
  return (a[0] >= b[0]) | (a[1] >= b[1]) << 1 | (a[2] >= b[2]) << 2 | (a[3] >= b[3]) << 3;
}
#endif

constexpr int LANES = ROWS * COLUMNS, PARTS = LANES / WIDTH;
constexpr int64_t BLOCK = 128;            // channels at a time: a tile's part stays in the L1 cache
constexpr int64_t STRIP_FLOATS = 1 << 18;  // targets of a strip: they stay in the L2 cache

// One multiplication of the targets of a tile with some sources.
struct Product {
  const float* targets;           // (channels, LANES)
  const float* sources[SOURCES];  // (channels) each
  int64_t channels;
  float* sums;             // (SOURCES, LANES), added to unless `first`; written if `any` or not `last`
  bool first, last;        // block of channels
  const float* threshold;  // (LANES)
  unsigned found[SOURCES];  // lanes that reach the threshold, after the last block
  bool any;
};

template <int N>
void multiply(Product& p) {
  Vector sums[N][PARTS];
  const float* source[N];
  const auto at = [](float* from, int n, int part) {
    return reinterpret_cast<Vector*>(from + n * LANES + part * WIDTH);
  };
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
    source[n] = p.sources[n];
#pragma GCC unroll 4
    for (int j = 0; j < PARTS; ++j) sums[n][j] = p.first ? Vector{} : *at(p.sums, n, j);
  }
  for (int64_t c = 0; c < p.channels; ++c) {
    Vector target[PARTS];
#pragma GCC unroll 4
    for (int j = 0; j < PARTS; ++j)
      target[j] = *reinterpret_cast<const Vector*>(p.targets + c * LANES + j * WIDTH);
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n)
#pragma GCC unroll 4
      for (int j = 0; j < PARTS; ++j) sums[n][j] += source[n][c] * target[j];
  }
  unsigned any = 0;
  if (p.last)
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      unsigned found = 0;
#pragma GCC unroll 4
      for (int j = 0; j < PARTS; ++j)
        found |= reached(sums[n][j], *reinterpret_cast<const Vector*>(p.threshold + j * WIDTH))
                 << (j * WIDTH);
      any |= p.found[n] = found;
    }
  p.any = any;
  if (any || !p.last)
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n)
#pragma GCC unroll 4
      for (int j = 0; j < PARTS; ++j) *at(p.sums, n, j) = sums[n][j];
}

template <int N>
void multiply_any(int64_t count, Product& p) {
  if constexpr (N > 1)
    if (count < N) return multiply_any<N - 1>(count, p);
  multiply<N>(p);
}

}  // namespace

struct Search {
  const float* query;    // (height, width, channels)
  int64_t query_strides[3];
  const float* context;  // (frames, height, width, channels)
  int64_t frames, height, width, channels;
  int64_t place;       // of the first cell of the context
  int64_t reach;       // of the window: largest distance in rows and in columns
  int64_t radius;      // of a disc: distances below it; 0 for the whole square
  int64_t k, room;     // matches wanted, and kept at most; k <= room
  const int32_t* row;  // (height, width) of each target in the lists below, -1 for none
  float* values;       // (n, room) falling; those that reach the k-th come first
  int32_t* places;     // (n, room)
  int32_t* counts;     // (n) matches found; at most `room` that reach the k-th
  float* dropped;      // (n) largest similarity that reached the k-th and found no room
};

namespace {

struct alignas(64) CacheLine {
  float floats[16];
};

struct Tile {
  alignas(64) float threshold[LANES];  // similarity that a new match has to reach
  int32_t row[LANES];
  int64_t top, left;
};

// Searches strips of tiles, one after the other.
class Strip {
 public:
  explicit Strip(const Search& search) : s_(search) {
    const int64_t across = (s_.width + COLUMNS - 1) / COLUMNS;
    const int64_t most = std::max<int64_t>(1, STRIP_FLOATS / (s_.channels * LANES));
    const int64_t strips = (across + most - 1) / most;
    tiles_.resize((across + strips - 1) / strips);
    sums_size_ = (std::min(s_.width, COLUMNS + 2 * s_.reach) + SOURCES) * LANES;
    storage_.resize(tiles_.size() * (s_.channels * LANES + sums_size_) / 16);
    targets_ = storage_[0].floats;
    sums_ = targets_ + tiles_.size() * s_.channels * LANES;
  }

  int64_t columns() const { return tiles_.size() * COLUMNS; }

  void run(int64_t top, int64_t left) {
    count_ = 0;
    for (int64_t x = left; x < std::min(s_.width, left + columns()); x += COLUMNS)
      if (load(tiles_[count_], top, x)) ++count_;
    if (!count_) return;
    // From the middle outwards: near matches are good ones and raise the threshold early.
    for (int64_t step = 0; step <= 2 * (s_.reach + ROWS); ++step) {
      const int64_t y = top + ROWS / 2 + (step % 2 ? -(step + 1) / 2 : step / 2);
      const bool near = y >= top - s_.reach && y < top + ROWS + s_.reach;
      if (near && y >= 0 && y < s_.height)
        for (int64_t t = 0; t < s_.frames; ++t) scan(t, y);
    }
  }

 private:
  // Lay out the targets of a tile as `Product` reads them; returns whether there are any.
  bool load(Tile& tile, int64_t top, int64_t left) {
    bool any = false;
    tile.top = top;
    tile.left = left;
    float* targets = targets_ + count_ * s_.channels * LANES;
    for (int lane = 0; lane < LANES; ++lane) {
      const int64_t y = top + lane / COLUMNS, x = left + lane % COLUMNS;
      const int64_t cell = y * s_.width + x;
      const bool inside = y < s_.height && x < s_.width && s_.row[cell] >= 0;
      tile.row[lane] = inside ? s_.row[cell] : -1;
      tile.threshold[lane] = inside ? threshold(tile.row[lane]) : INF;
      const int64_t* strides = s_.query_strides;
      const float* from = s_.query + y * strides[0] + x * strides[1];
      for (int64_t c = 0; c < s_.channels; ++c)
        targets[c * LANES + lane] = inside ? from[c * strides[2]] : 0;
      any |= inside;
    }
    return any;
  }

  // All tiles against one row of sources, which stays in the cache meanwhile.
  void scan(int64_t t, int64_t y) {
    const int64_t cell = (t * s_.height + y) * s_.width;
    Product p;
    for (int64_t c = 0; c < s_.channels; c += BLOCK) {
      p.channels = std::min(BLOCK, s_.channels - c);
      p.first = c == 0;
      p.last = c + p.channels == s_.channels;
      for (int64_t i = 0; i < count_; ++i) {
        Tile& tile = tiles_[i];
        p.targets = targets_ + (i * s_.channels + c) * LANES;
        p.threshold = tile.threshold;
        p.sums = sums_ + i * sums_size_;
        int64_t x = std::max<int64_t>(0, tile.left - s_.reach);
        const int64_t end = std::min(s_.width, tile.left + COLUMNS + s_.reach);
        for (int64_t parts = (end - x + SOURCES - 1) / SOURCES; parts; --parts) {
          const int64_t n = (end - x + parts - 1) / parts;
          for (int64_t k = 0; k < n; ++k)
            p.sources[k] = s_.context + (cell + x + k) * s_.channels + c;
          multiply_any<SOURCES>(n, p);
          if (p.any)
            for (int64_t k = 0; k < n; ++k)
              if (p.found[k]) keep(tile, p.found[k], p.sums + k * LANES, y, x + k, cell + x + k);
          x += n;
          p.sums += n * LANES;
        }
      }
    }
  }

  // Enter the source at (y, x) for the targets that it may be a match of.
  void keep(Tile& tile, unsigned found, const float* values, int64_t y, int64_t x, int64_t cell) {
    for (; found; found &= found - 1) {
      const int lane = __builtin_ctz(found);
      const int64_t dy = tile.top + lane / COLUMNS - y, dx = tile.left + lane % COLUMNS - x;
      const bool inside = s_.radius ? dy * dy + dx * dx < s_.radius * s_.radius
                                    : std::max(std::abs(dy), std::abs(dx)) <= s_.reach;
      if (!inside || tile.row[lane] < 0 || !(values[lane] >= tile.threshold[lane])) continue;
      insert(tile.row[lane], values[lane], s_.place + cell);
      tile.threshold[lane] = threshold(tile.row[lane]);
    }
  }

  // The k-th best of a target so far. Once ties with it find no more room, the next larger number.
  float threshold(int64_t row) const {
    if (s_.counts[row] < s_.k) return -INF;
    const float weakest = s_.values[row * s_.room + s_.k - 1];
    return s_.dropped[row] == weakest ? std::nextafter(weakest, INF) : weakest;
  }

  void insert(int64_t row, float value, int32_t place) {
    float* values = s_.values + row * s_.room;
    int32_t* places = s_.places + row * s_.room;
    int32_t& count = s_.counts[row];
    const bool full = count == s_.room;
    const float last = full ? values[count - 1] : -INF;
    if (full && value <= last) {
      s_.dropped[row] = value;
      return;
    }
    int64_t i = full ? count - 1 : count;
    for (; i && values[i - 1] < value; --i) {
      values[i] = values[i - 1];
      places[i] = places[i - 1];
    }
    values[i] = value;
    places[i] = place;
    if (!full) ++count;
    if (count < s_.k) return;
    const float weakest = values[s_.k - 1];
    while (values[count - 1] < weakest) --count;
    if (full && last == weakest) s_.dropped[row] = last;
  }

  const Search& s_;
  std::vector<CacheLine> storage_;
  std::vector<Tile> tiles_;
  int64_t count_ = 0, sums_size_;
  float *targets_, *sums_;
};

}  // namespace

struct Mean {
  int64_t n, room;         // of the lists
  const float* values;     // as of `Search`
  const int32_t* places;
  const int32_t* counts;
  float temperature;       // of the softmax
  const float* labels;     // (frames * cells, classes)
  const float* known;      // (frames, classes), 1 where a frame knows a label, or null: all know all
  int64_t cells, classes;
  float* means;  // (n, classes)
};

namespace {

// Mean label of one target. `sums` and `mass` of what is known are scratch of a row of labels each.
void average(const Mean& m, int64_t row, float* sums, float* mass) {
  const float* values = m.values + row * m.room;
  float* mean = m.means + row * m.classes;
  std::fill(mean, mean + m.classes, 0.0f);
  std::fill(sums, sums + m.classes, 0.0f);
  std::fill(mass, mass + m.classes, 0.0f);
  float total = 0;
  for (int64_t i = 0; i < m.counts[row]; ++i) {
    const float weight = std::exp((values[i] - values[0]) / m.temperature);
    const int64_t place = m.places[row * m.room + i];
    const float* label = m.labels + place * m.classes;
    total += weight;
    for (int64_t c = 0; c < m.classes; ++c) mean[c] += weight * label[c];
    if (!m.known) continue;
    const float* known = m.known + place / m.cells * m.classes;
    for (int64_t c = 0; c < m.classes; ++c) {
      sums[c] += weight * known[c] * label[c];
      mass[c] += weight * known[c];
    }
  }
  for (int64_t c = 0; c < m.classes; ++c) mean[c] = mass[c] > 0 ? sums[c] / mass[c] : mean[c] / total;
}

// Run `work` in some threads, which end with it, and wait for them.
template <typename Work>
void in_threads(int64_t threads, const Work& work) {
  std::vector<std::thread> others;
  try {
    for (int64_t i = 1; i < threads; ++i) others.emplace_back(work);
  } catch (const std::system_error&) {  // the system gives no more threads: fewer do the work
  }
  work();
  for (auto& thread : others) thread.join();
}

}  // namespace

// Of `Search` and `Mean`; compiled.py leaves a library of another version alone.
extern "C" int64_t topk_version() { return 1; }

extern "C" void topk_search(const Search* search, int64_t threads) {
  std::atomic<int64_t> next{0};
  in_threads(threads, [&] {
    Strip strip(*search);
    const int64_t across = (search->width + strip.columns() - 1) / strip.columns();
    const int64_t count = across * ((search->height + ROWS - 1) / ROWS);
    for (int64_t i = next++; i < count; i = next++)
      strip.run(i / across * ROWS, i % across * strip.columns());
  });
}

extern "C" void topk_mean(const Mean* mean, int64_t threads) {
  std::atomic<int64_t> next{0};
  in_threads(threads, [&] {
    constexpr int64_t rows = 256;
    std::vector<float> scratch(2 * mean->classes);
    for (int64_t i = rows * next++; i < mean->n; i = rows * next++)
      for (int64_t row = i; row < std::min(i + rows, mean->n); ++row)
        average(*mean, row, scratch.data(), scratch.data() + mean->classes);
  });
}
