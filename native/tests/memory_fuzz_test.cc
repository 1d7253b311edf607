// Model-based fuzzing of the contiguous cache.
//
// A shadow model knows for every live sequence which cookie each token holds. After every operation
// the cache's own structure check runs and the sequences concerned are compared with the model;
// every row that a sequence sees for the first time must be zero or have been its own. Episodes
// differ in layout, page classes, tail and lead rows, zeroing, mapper and injected driver failures.
//
// VATTENTION_FUZZ_SEED picks the first seed, VATTENTION_FUZZ_OPS the operations of each test. A
// failure names the seed of its episode.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/check.h"
#include "tests/memory_cache.h"

namespace vattention::testing {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

// A GPU's pages are 32 times as large; so are a token's rows there, to have as many edges.
const uint32_t kScale = OnCuda() ? 32 : 1;
const uint64_t kUnit = 64 * kKiB * kScale;

// What distinguishes the tests below.
struct Kind {
  bool mapper = false;
  bool faults = false;
  bool deferred = false;  // zeroing and copying count as work of a stream, as on a device
};

class Episode {
 public:
  Episode(uint64_t seed, Kind kind) : random_(seed), kind_(kind), cache_(Options()) {
    if (cache_.view().shape.max_length < 200) Fail(__FILE__, __LINE__, "shape");
    cache_.Attach(timeline_.get());
  }
  ~Episode() { timeline_.Complete(); }

  void Run(uint64_t operations) {
    for (uint64_t i = 0; i < operations; ++i) {
      operation_ = i;
      OneOperation();
      cache_.Check(mappings_over());
      VerifyFenced();
      VerifySequence(PickLive());
      if (i % 32 == 0) VerifyAll();
    }
    Finish();
  }

  // A failed step whose pages cannot all go back where they were leaves holes, which are mappings.
  uint64_t mappings_over() const { return kind_.faults ? 16 : 4; }
  const std::string& last() const { return last_; }
  uint64_t operation() const { return operation_; }

 private:
  struct Model {
    vattn_sequence handle = 0;
    std::vector<uint32_t> tokens;  // cookies, 0: not written (still zero)
    std::vector<uint32_t> ghosts;  // cookies it once had at rows past its length
    uint32_t backed = 0;           // of the last step
    uint32_t first_kept = 0;
    bool reserved = false;  // shows its tokens only after the next step
    bool copies = false;    // its next step may have to wait for streams
  };
  struct SpanModel {
    vattn_span span;
    uint32_t from;
    uint32_t to;
    std::vector<uint32_t> tokens;  // of the whole line, [0, to)
  };
  struct Fenced {
    uint32_t slot;
    uint32_t first;
    std::vector<uint32_t> tokens;
  };

  uint32_t Pick(uint32_t low, uint32_t high) {  // inclusive
    return std::uniform_int_distribution<uint32_t>(low, high)(random_);
  }
  bool Chance(uint32_t percent) { return Pick(1, 100) <= percent; }

  vattn_contiguous_options Options() {
    OptionsInit init;
    init.layers = static_cast<int32_t>(Pick(1, 3));
    init.kv_heads = static_cast<int32_t>(Pick(1, 4) * kScale);
    init.head_dim = static_cast<int32_t>(64 * Pick(1, 6));
    init.value_head_dim = Chance(70) ? init.head_dim : static_cast<int32_t>(64 * Pick(1, 6));
    init.dtype = Chance(70) ? VATTN_FLOAT16 : VATTN_FLOAT32;
    init.max_sequences = static_cast<int32_t>(Pick(4, 12));
    init.max_length = Pick(300, 700);
    init.layout = static_cast<int32_t>(Pick(0, 2));
    init.limit_bytes = Pick(20, 300) * kUnit;
    vattn_contiguous_options options = MakeOptions(init);
    options.layer_group = static_cast<int32_t>(Pick(1, static_cast<uint32_t>(init.layers)));
    options.page_classes = static_cast<int32_t>(Pick(1, 3));
    options.page_bytes[0] = kUnit;
    options.page_bytes[1] = 3 * kUnit;
    options.page_bytes[2] = 12 * kUnit;
    options.share_page_bytes = 12 * kUnit;
    options.tail_rows = Chance(50) ? 0 : static_cast<int32_t>(Pick(1, 40));
    options.lead_rows = Chance(50) ? 0 : static_cast<int32_t>(Pick(1, 40));
    options.zero = Chance(80) ? VATTN_ZERO_RECYCLED : VATTN_ZERO_NEW;
    options.map_ahead = kind_.mapper ? 1 : 0;
    options.ahead_tokens = static_cast<int32_t>(Pick(1, 60));
    options.idle_slots = Chance(30) ? -1 : static_cast<int32_t>(Pick(1, 2));
    if (Chance(30)) options.mapping_budget = Pick(20, 200);
    options.trace_events = Chance(50) ? 64 : 0;
    if (kind_.faults || kind_.deferred) {
      faults_ = NoFaults();
      faults_.deferred = kind_.deferred ? 1 : 0;
      options.faults = &faults_;
    }
    zeroes_ = options.zero == VATTN_ZERO_RECYCLED;
    tail_ = static_cast<uint32_t>(options.tail_rows);
    lead_ = static_cast<uint32_t>(options.lead_rows);
    limit_ = options.limit_bytes;
    max_length_ = static_cast<uint32_t>(init.max_length);
    return options;
  }

  // --- content -----------------------------------------------------------------------------------

  // The first and the last word of a token's K or V hold its cookie, told apart by layer and side.
  static uint32_t Word(uint32_t cookie, int32_t layer, bool value) {
    return cookie == 0 ? 0 : cookie * 64 + static_cast<uint32_t>(layer) * 2 + (value ? 1 : 0);
  }
  // K or V of a layer: the first and the last words of rows that follow each other.
  struct Column {
    int32_t layer;
    bool value;
    std::vector<uint32_t> first;
    std::vector<uint32_t> last;

    bool Is(size_t i, uint32_t cookie) const {
      const uint32_t word = Word(cookie, layer, value);
      return first[i] == word && last[i] == word;
    }
  };
  static bool RowIs(const std::vector<Column>& columns, size_t i, uint32_t cookie) {
    return std::ranges::all_of(columns, [&](const Column& column) { return column.Is(i, cookie); });
  }
  // Calls visit(address of the words of row `from`, bytes from row to row, words) for the first and
  // the last words of every tensor.
  template <typename Visit>
  void ForWords(std::vector<Column>* columns, uint32_t slot, uint32_t from, Visit visit) {
    for (Column& column : *columns) {
      uint8_t* const at = cache_.TokenAt(slot, from, column.layer, column.value);
      const size_t pitch = cache_.TokenPitch(column.layer, column.value);
      visit(at, pitch, &column.first);
      visit(at + cache_.TokenBytes(column.value) - sizeof(uint32_t), pitch, &column.last);
    }
  }
  std::vector<Column> Columns(size_t rows) const {
    std::vector<Column> columns;
    for (int32_t layer = 0; layer < cache_.view().shape.layers; ++layer) {
      for (const bool value : {false, true}) {
        columns.push_back({layer, value, std::vector<uint32_t>(rows), std::vector<uint32_t>(rows)});
      }
    }
    return columns;
  }
  // Rows [from, to) of a slot.
  std::vector<Column> Load(uint32_t slot, uint32_t from, uint32_t to) {
    std::vector<Column> columns = Columns(to - from);
    ForWords(&columns, slot, from, [&](uint8_t* at, size_t pitch, std::vector<uint32_t>* words) {
      cache_.Get(at, pitch, reinterpret_cast<uint8_t*>(words->data()), sizeof(uint32_t),
                 words->size());
    });
    return columns;
  }
  void Store(uint32_t slot, uint32_t from, std::span<const uint32_t> cookies) {
    std::vector<Column> columns = Columns(cookies.size());
    for (Column& column : columns) {
      for (size_t i = 0; i < cookies.size(); ++i) {
        column.first[i] = column.last[i] = Word(cookies[i], column.layer, column.value);
      }
    }
    ForWords(&columns, slot, from, [&](uint8_t* at, size_t pitch, std::vector<uint32_t>* words) {
      cache_.Put(at, pitch, reinterpret_cast<const uint8_t*>(words->data()), sizeof(uint32_t),
                 words->size());
    });
  }
  // Each of rows [from, to) is zero, or what the sequence itself once had there: word by word,
  // since the page of one tensor may be new and that of another not.
  void VerifyFresh(const Model& model, uint32_t slot, uint32_t from, uint32_t to) {
    if (!zeroes_) return;
    for (const Column& column : Load(slot, from, to)) {
      for (uint32_t row = from; row < to; ++row) {
        const uint32_t ghost = row < model.ghosts.size() ? model.ghosts[row] : 0;
        for (const uint32_t word : {column.first[row - from], column.last[row - from]}) {
          if (word == 0 || word == Word(ghost, column.layer, column.value)) continue;
          Fail(__FILE__, __LINE__,
               "row " + std::to_string(row) + " of a sequence of " + std::to_string(model.backed) +
                   " holds cookie " + std::to_string(word / 64) + ", its own was " +
                   std::to_string(ghost));
        }
      }
    }
  }

  void VerifySequence(Model* model) {
    if (model == nullptr || model->reserved) return;
    CHECK_EQ(cache_.Backed(model->handle), model->backed);
    CHECK_EQ(cache_.FirstKept(model->handle), model->first_kept);
    const uint32_t slot = cache_.Slot(model->handle);
    const std::vector<Column> columns = Load(slot, model->first_kept, model->backed);
    for (uint32_t row = model->first_kept; row < model->backed; ++row) {
      if (!RowIs(columns, row - model->first_kept, model->tokens[row])) {
        Fail(__FILE__, __LINE__,
             "row " + std::to_string(row) + " of a sequence of " + std::to_string(model->backed) +
                 " lost its token");
      }
    }
    if (model->backed > 0) VerifyFresh(*model, slot, model->backed, model->backed + tail_);
  }
  void VerifyAll() {
    for (Model& model : live_) VerifySequence(&model);
  }
  // What was freed or slid behind a pending fence may still be read.
  void VerifyFenced() {
    for (const Fenced& fenced : fenced_) {
      const auto rows = static_cast<uint32_t>(fenced.tokens.size());
      const std::vector<Column> columns = Load(fenced.slot, fenced.first, fenced.first + rows);
      for (size_t i = 0; i < rows; ++i) {
        if (!RowIs(columns, i, fenced.tokens[i])) {
          Fail(__FILE__, __LINE__, "a row changed before its fence had passed");
        }
      }
    }
  }

  // --- operations --------------------------------------------------------------------------------

  Model* PickLive() {
    return live_.empty() ? nullptr : &live_[Pick(0, static_cast<uint32_t>(live_.size()) - 1)];
  }
  void Say(const char* what) { last_ = what; }
  bool pending() const { return timeline_.counters.submitted != timeline_.counters.completed; }
  void Complete() {
    timeline_.Complete();
    fenced_.clear();
  }
  // With injected failures a call may fail with a driver error, and then nothing has changed.
  bool Succeeds(vattn_status status) {
    if (status == VATTN_OK) return true;
    if (kind_.faults && status == VATTN_DEVICE_ERROR) {
      CHECK(cache_.error().driver_call[0] != '\0');
      CHECK_NE(cache_.error().driver_code, 0);
      return false;
    }
    cache_.Must(status, last_.c_str());
    return false;
  }

  void OneOperation() {
    if (kind_.faults) ArmSomething();
    const uint32_t dice = Pick(1, 100);
    if (dice <= 45) {
      Step();
    } else if (dice <= 53) {
      Allocate();
    } else if (dice <= 60) {
      Fork();
    } else if (dice <= 66) {
      MakeSpan();
    } else if (dice <= 70) {
      DropSpan();
    } else if (dice <= 76) {
      AllocateShared();
    } else if (dice <= 82) {
      Truncate();
    } else if (dice <= 86) {
      Slide();
    } else if (dice <= 93) {
      FreeOne();
    } else if (dice <= 95) {
      ChangeLimit();
    } else if (dice <= 96) {
      Trim();
    } else {
      Order();
    }
  }

  void ArmSomething() {
    vattn_fault_plan plan = NoFaults();
    if (Chance(50)) {
      plan.fail_call = Pick(1, 12);
      plan.fail_count = Chance(80) ? 1 : Pick(2, 4);
      plan.fail_code = Chance(50) ? ENOMEM : EIO;
      plan.fail_kind = static_cast<int32_t>(Pick(0, 8));
    }
    cache_.Arm(plan);
  }

  void Allocate() {
    Say("allocate");
    vattn_sequence handle = 0;
    const vattn_status status = cache_.api().allocate(cache_.get(), &handle, cache_.Error());
    Admit(status, handle, {});
  }
  void Admit(vattn_status status, vattn_sequence handle, std::vector<uint32_t> tokens,
             uint32_t first_kept = 0) {
    if (status == VATTN_NO_SLOT) {
      CHECK_EQ(live_.size(), static_cast<size_t>(cache_.view().shape.max_sequences));
      return;
    }
    if (!Succeeds(status)) return;
    Model model;
    model.handle = handle;
    model.reserved = !tokens.empty();
    model.copies = model.reserved;
    model.tokens = std::move(tokens);
    model.first_kept = first_kept;
    live_.push_back(std::move(model));
  }

  void Step() {
    Say("step");
    if (live_.empty()) return;
    std::vector<size_t> chosen;
    for (size_t i = 0; i < live_.size(); ++i) {
      if (Chance(50)) chosen.push_back(i);
    }
    std::shuffle(chosen.begin(), chosen.end(), random_);
    std::vector<vattn_sequence> handles;
    std::vector<uint32_t> lengths;
    bool copies = false;
    for (const size_t i : chosen) {
      const Model& model = live_[i];
      const auto now = static_cast<uint32_t>(model.tokens.size());
      const uint32_t grow = Chance(60) ? Pick(0, 3) : Pick(0, 150);
      handles.push_back(model.handle);
      lengths.push_back(std::min(now + grow, max_length_));
      copies = copies || model.copies;
    }
    // Copies wait for the streams, which nobody but this thread completes.
    if (copies && pending()) Complete();
    vattn_step_result result;
    if (!Succeeds(cache_.TryStep(handles, lengths, &result))) return;
    if (result.outcome != VATTN_STEP_OK) {
      CHECK_GT(result.needed_bytes, 0u);
      return;
    }
    for (size_t n = 0; n < chosen.size(); ++n) Grown(&live_[chosen[n]], lengths[n]);
  }
  void Grown(Model* model, uint32_t length) {
    const auto known = static_cast<uint32_t>(model->tokens.size());
    const uint32_t slot = cache_.Slot(model->handle);
    VerifyFresh(*model, slot, known, length);
    model->reserved = false;
    if (length >= model->ghosts.size()) model->copies = false;
    model->backed = length;
    const std::vector<Column> before = Load(slot, known, length);
    uint32_t written = known;  // rows before it are
    for (uint32_t row = known; row < length; ++row) {
      // Some rows are never written: they must stay zero.
      const uint32_t cookie = Chance(97) ? ++next_cookie_ : 0;
      model->tokens.push_back(cookie);
      if (cookie != 0 || !RowIs(before, row - known, 0)) continue;
      Store(slot, written, std::span(model->tokens).subspan(written, row - written));
      written = row + 1;
    }
    Store(slot, written, std::span(model->tokens).subspan(written, length - written));
    if (model->ghosts.size() < length) model->ghosts.resize(length);
    VerifySequence(model);
  }

  void Fork() {
    Say("fork");
    Model* source = PickLive();
    if (source == nullptr) return;
    const uint32_t length = Pick(source->first_kept, static_cast<uint32_t>(source->tokens.size()));
    vattn_sequence handle = 0;
    const vattn_status status =
        cache_.api().fork(cache_.get(), source->handle, length, &handle, cache_.Error());
    Admit(status, handle, {source->tokens.begin(), source->tokens.begin() + length},
          source->first_kept);
  }

  void MakeSpan() {
    Say("span");
    Model* source = PickLive();
    if (source == nullptr || source->reserved || source->backed == 0) return;
    const uint32_t to = Pick(1, source->backed);
    const uint32_t from = Chance(50) ? 0 : Pick(0, to - 1);
    vattn_span span = 0;
    const vattn_status status =
        vattn_span_create(cache_.get(), source->handle, from, to, &span, cache_.Error());
    if (status == VATTN_NOT_BACKED) {
      CHECK_GT(source->first_kept, lead_);
      return;
    }
    if (!Succeeds(status)) return;
    spans_.push_back({span, from, to, {source->tokens.begin(), source->tokens.begin() + to}});
  }

  void DropSpan() {
    Say("release span");
    if (spans_.empty()) return;
    const size_t i = Pick(0, static_cast<uint32_t>(spans_.size()) - 1);
    cache_.ReleaseSpan(spans_[i].span);
    spans_.erase(spans_.begin() + static_cast<std::ptrdiff_t>(i));
  }

  // A chain that follows one line of tokens: each span agrees with the one before on what is
  // shared.
  void AllocateShared() {
    Say("allocate shared");
    std::vector<const SpanModel*> chain;
    uint32_t covered = 0;
    std::vector<size_t> order(spans_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random_);
    for (const size_t i : order) {
      const SpanModel& next = spans_[i];
      if (next.from > covered || next.to <= covered) continue;
      if (!chain.empty() && !std::equal(chain.back()->tokens.begin(), chain.back()->tokens.end(),
                                        next.tokens.begin())) {
        continue;
      }
      chain.push_back(&next);
      covered = next.to;
    }
    if (chain.empty()) return;
    std::vector<vattn_span> ids;
    for (const SpanModel* span : chain) ids.push_back(span->span);
    const uint32_t length = Pick(1, covered);
    vattn_sequence handle = 0;
    const vattn_status status =
        vattn_allocate_shared(cache_.get(), ids.data(), static_cast<int32_t>(ids.size()), length,
                              &handle, cache_.Error());
    const auto& line = chain.back()->tokens;
    Admit(status, handle, {line.begin(), line.begin() + length});
  }

  void Truncate() {
    Say("truncate");
    Model* model = PickLive();
    if (model == nullptr) return;
    const uint32_t length = Pick(model->first_kept, static_cast<uint32_t>(model->tokens.size()));
    if (Chance(20)) timeline_.Submit();
    if (!Succeeds(
            cache_.api().truncate(cache_.get(), model->handle, length, nullptr, cache_.Error()))) {
      return;
    }
    if (model->reserved) {
      model->tokens.resize(length);
      if (length == 0) model->reserved = false;
      return;
    }
    for (size_t row = length; row < model->tokens.size(); ++row) {
      if (model->tokens[row] != 0) model->ghosts[row] = model->tokens[row];
    }
    model->tokens.resize(length);
    model->backed = length;
    model->copies = true;
  }

  void Slide() {
    Say("slide");
    Model* model = PickLive();
    if (model == nullptr) return;
    const auto length = static_cast<uint32_t>(model->tokens.size());
    const uint32_t first = Pick(0, length);
    if (Chance(30)) timeline_.Submit();
    const bool fence = pending() && !model->reserved;
    const Fenced before = Remember(*model);
    if (!Succeeds(
            cache_.api().slide(cache_.get(), model->handle, first, nullptr, cache_.Error()))) {
      return;
    }
    if (fence && first > model->first_kept) {
      Fenced left = before;  // only what can have left: a later step may not write there
      left.tokens.resize(std::min<size_t>(left.tokens.size(), first - model->first_kept));
      fenced_.push_back(std::move(left));
    }
    model->first_kept = std::max(model->first_kept, first);
  }
  Fenced Remember(const Model& model) {
    Fenced fenced{0, model.first_kept, {}};
    if (model.reserved || model.backed == 0) return fenced;
    fenced.slot = cache_.Slot(model.handle);
    fenced.tokens.assign(model.tokens.begin() + model.first_kept,
                         model.tokens.begin() + model.backed);
    return fenced;
  }

  void FreeOne() {
    Say("free");
    Model* model = PickLive();
    if (model == nullptr) return;
    if (Chance(30)) timeline_.Submit();
    const bool fence = pending();
    const Fenced before = Remember(*model);
    if (!Succeeds(cache_.api().free(cache_.get(), model->handle, nullptr, cache_.Error()))) {
      return;
    }
    if (fence) fenced_.push_back(before);
    vattn_step_result result;
    CHECK_EQ(cache_.TryStep({model->handle}, {1}, &result), VATTN_STALE_SEQUENCE);
    live_.erase(live_.begin() + (model - live_.data()));
  }

  void ChangeLimit() {
    Say("set limit");
    const uint64_t bytes = Chance(50) ? limit_ : std::max<uint64_t>(kUnit, limit_ / Pick(1, 8));
    Succeeds(cache_.api().set_limit(cache_.get(), bytes, cache_.Error()));
    CHECK_EQ(cache_.Stats().limit_bytes, bytes);
  }

  void Trim() {
    Say("trim");
    const uint64_t keep = Pick(0, 8) * kUnit;
    uint64_t released = 0;
    if (!Succeeds(vattn_trim(cache_.get(), keep, &released, cache_.Error()))) return;
    if (pending() || kind_.mapper) return;
    const vattn_cache_stats stats = cache_.Stats();
    CHECK_LE(stats.free_bytes + stats.parked_bytes, keep);
  }

  // Streams and the mapper.
  void Order() {
    Say("order");
    switch (Pick(0, 3)) {
      case 0:
        timeline_.Submit();
        break;
      case 1:
        Complete();
        break;
      case 2:
        cache_.Pause();
        cache_.Resume();
        break;
      default:
        if (kind_.mapper) cache_.Drain();
    }
  }

  // Everything comes back.
  void Finish() {
    Say("finish");
    if (kind_.faults) cache_.Arm(NoFaults());
    Complete();
    cache_.SetLimit(limit_);
    while (!spans_.empty()) DropSpan();
    while (!live_.empty()) {
      cache_.Free(live_.back().handle);
      live_.pop_back();
    }
    cache_.Check(mappings_over());
    cache_.Pause();
    cache_.Trim(0);
    const vattn_cache_stats stats = cache_.Stats();
    CHECK_EQ(stats.total_bytes, 0u);
    CHECK_EQ(stats.live_mappings, 0u);
    cache_.Check(mappings_over());
    cache_.Close();
  }

  std::mt19937_64 random_;
  const Kind kind_;
  bool zeroes_ = true;
  uint32_t tail_ = 0;
  uint32_t lead_ = 0;
  uint32_t max_length_ = 0;
  uint64_t limit_ = 0;
  vattn_fault_plan faults_{};
  Timeline timeline_;
  Cache cache_;
  std::deque<Fenced> fenced_;
  std::vector<Model> live_;
  std::vector<SpanModel> spans_;
  uint32_t next_cookie_ = 0;
  uint64_t operation_ = 0;
  std::string last_;
};

void Fuzz(Kind kind, uint64_t salt, uint64_t default_operations) {
  constexpr uint64_t kEpisode = 1000;
  const uint64_t first = FromEnvironment("VATTENTION_FUZZ_SEED", 20240601);
  const uint64_t operations = FromEnvironment("VATTENTION_FUZZ_OPS", default_operations);
  for (uint64_t done = 0; done < operations; done += kEpisode) {
    const uint64_t seed = first + done / kEpisode;
    Episode episode(seed * 7919 + salt, kind);
    try {
      episode.Run(std::min(kEpisode, operations - done));
    } catch (CheckFailure& failure) {
      failure.text += "\n  VATTENTION_FUZZ_SEED=" + std::to_string(seed) +
                      " VATTENTION_FUZZ_OPS=1000, operation " +
                      std::to_string(episode.operation()) + " (" + episode.last() + ")";
      throw;
    }
  }
}

// Instrumented code is ten times slower, and so is looking at rows over the bus.
#if defined(VATTN_THREAD_SANITIZER)
constexpr uint64_t kOnHost = 4'000;
constexpr uint64_t kOnDevice = 500;
#elif defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kOnHost = 10'000;
constexpr uint64_t kOnDevice = 1'500;
#else
constexpr uint64_t kOnHost = 60'000;
constexpr uint64_t kOnDevice = 4'000;
#endif
const uint64_t kOperations = OnCuda() ? kOnDevice : kOnHost;

TEST(FuzzWithoutMapper) { Fuzz({false, false}, 1, kOperations); }
TEST(FuzzWithMapper) { Fuzz({true, false}, 2, kOperations / 2); }
TEST(FuzzWithFailingDriver) { Fuzz({false, true}, 3, kOperations / 2); }
TEST(FuzzWithMapperAndFailingDriver) { Fuzz({true, true}, 4, kOperations / 4); }
TEST(FuzzWithMapperAndDeferredWork) { Fuzz({true, false, true}, 5, kOperations); }

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
