// Model-based fuzz: random operations on a cache and on a shadow of it that knows sequences and
// what their rows hold, and nothing of blocks. After each operation every row of every sequence is
// compared, the structure is checked, and the bytes of all states must sum to the total. Driver
// calls fail now and then, streams have work in flight, limits change.
//
//   paged_fuzz_test Fuzz           VATTENTION_FUZZ_SEED and VATTENTION_FUZZ_OPERATIONS as
//   environment
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "tests/check.h"
#include "tests/paged_fixture.h"
#include "tests/paged_shadow.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VATTN_SLOW_BUILD 1
#else
#define VATTN_SLOW_BUILD 0
#endif

namespace vattention::testing {
namespace {

class Fuzzer {
 public:
  Fuzzer(uint64_t seed, const PagedShape& shape)
      : random_(seed),
        tokens_per_block_(static_cast<uint32_t>(shape.block_tokens)),
        cache_(shape, &no_faults_) {
    cache_.Must(cache_.api()->attach_stream(cache_.cache(), timeline_.stream(), &cache_.error),
                "attach");
  }

  // The last operations, for the report of a failure.
  const std::deque<std::string>& log() const { return log_; }

  void Run(int operations) {
    for (int i = 0; i < operations; ++i) {
      ArmFaults();
      switch (random_.Below(20)) {
        case 0:
        case 1:
        case 2:
          Allocate();
          break;
        case 3:
        case 4:
          Fork();
          break;
        case 5:
        case 6:
          Publish();
          break;
        case 7:
        case 8:
          Truncate();
          break;
        case 9:
          Slide();
          break;
        case 10:
        case 11:
          Free();
          break;
        case 12:
          Misuse();
          break;
        case 13:
          Work();
          break;
        case 14:
          if (random_.OneIn(4)) Limit();
          break;
        default:
          Step();
          break;
      }
      Verify();
    }
    CompleteWork();
    Disarm();
    while (!live_.empty()) Free();
    const vattn_cache_stats stats = cache_.Stats();
    CHECK_EQ(stats.mapped_bytes, 0u);
    CHECK_EQ(stats.condemned_bytes, 0u);
    cache_.Check();
    seen_.steps += stats.steps;
    seen_.out_of_memory += stats.steps_out_of_memory;
    seen_.aliased_tokens += stats.aliased_tokens;
    seen_.copied_tokens += stats.copied_tokens;
    seen_.evictions += stats.evictions;
  }

  // What happened, so that a fuzz that does nothing is noticed.
  struct Seen {
    uint64_t steps = 0;
    uint64_t out_of_memory = 0;
    uint64_t aliased_tokens = 0;
    uint64_t copied_tokens = 0;
    uint64_t evictions = 0;
    uint64_t faults = 0;
    uint64_t haunted_rows = 0;
    void Add(const Seen& other) {
      steps += other.steps;
      out_of_memory += other.out_of_memory;
      aliased_tokens += other.aliased_tokens;
      copied_tokens += other.copied_tokens;
      evictions += other.evictions;
      faults += other.faults;
      haunted_rows += other.haunted_rows;
    }
  };
  const Seen& seen() const { return seen_; }

 private:
  using Entry = std::map<vattn_sequence, Shadow>::iterator;

  std::optional<Entry> Pick() {
    if (live_.empty()) return std::nullopt;
    return std::next(live_.begin(), random_.Below(live_.size()));
  }
  void ArmFaults() {
    vattn_fault_plan plan = {};
    plan.size = sizeof(plan);
    plan.fail_call = random_.OneIn(8) ? 1 + random_.Below(6) : 0;
    plan.fail_code = 5;
    CHECK_EQ(vattn_paged_faults_set(cache_.cache(), &plan, nullptr, &cache_.error), VATTN_OK);
  }
  void Disarm() {
    vattn_fault_plan plan = {};
    plan.size = sizeof(plan);
    CHECK_EQ(vattn_paged_faults_set(cache_.cache(), &plan, nullptr, &cache_.error), VATTN_OK);
  }
  // Whether the call was made; an injected failure changes nothing, which Verify sees.
  bool Made(vattn_status status) {
    if (status == VATTN_DEVICE_ERROR) log_.back() += " (failed)";
    if (status == VATTN_OK) return true;
    if (status != VATTN_DEVICE_ERROR) {
      throw CheckFailure{"unexpected status: " + std::string(cache_.error.message)};
    }
    ++seen_.faults;
    return false;
  }

  template <typename... Parts>
  void Note(const Parts&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    log_.push_back(text.str());
    if (log_.size() > 40) log_.pop_front();
  }

  // Prompts start alike, so that prefixes are found, and part somewhere.
  std::vector<uint32_t> Prompt() {
    const uint32_t length = random_.Below(static_cast<uint64_t>(cache_.shape.max_length));
    const uint32_t opening = random_.Below(3);
    const uint32_t common = random_.Below(length + 1);
    std::vector<uint32_t> tokens(length);
    for (uint32_t i = 0; i < length; ++i) tokens[i] = i < common ? opening : random_.Below(2);
    return tokens;
  }

  void Allocate() {
    if (live_.size() == static_cast<size_t>(cache_.shape.max_sequences)) {
      vattn_sequence none = 0;
      CHECK_EQ(cache_.api()->allocate(cache_.cache(), &none, &cache_.error), VATTN_NO_SLOT);
      return;
    }
    Shadow shadow;
    shadow.salt = random_.OneIn(3) ? "tenant" : "";
    const std::vector<uint32_t> prompt = Prompt();
    const auto [sequence, shared] = cache_.AllocatePrefix(prompt, shadow.salt);
    Note("allocate ", sequence, " prompt ", prompt.size(), " shared ", shared);
    CHECK(live_.find(sequence) == live_.end());
    CHECK_EQ(shared % tokens_per_block_, 0u);
    CHECK(shared == 0 || shared < prompt.size());
    CHECK_GE(shared, LongestPublished(prompt, shadow.salt));
    shadow.reserved = shadow.published = shared;
    shadow.tokens.assign(prompt.begin(), prompt.begin() + shared);
    for (uint32_t i = 0; i < shared; ++i) {
      shadow.rows.push_back(RowValue(shadow.salt, shadow.tokens, i + 1));
    }
    live_[sequence] = shadow;
  }

  // What live sequences have published of a prompt has to be found.
  uint32_t LongestPublished(const std::vector<uint32_t>& prompt, const std::string& salt) {
    uint32_t longest = 0;
    for (const auto& [sequence, shadow] : live_) {
      if (shadow.salt != salt || shadow.first_kept > 0) continue;
      uint32_t equal = 0;
      while (equal < shadow.published && equal + 1 < prompt.size() &&
             shadow.tokens[equal] == prompt[equal]) {
        ++equal;
      }
      longest = std::max(longest, equal / tokens_per_block_ * tokens_per_block_);
    }
    return longest;
  }

  void Fork() {
    const auto source = Pick();
    if (!source || live_.size() == static_cast<size_t>(cache_.shape.max_sequences)) return;
    Shadow& parent = (*source)->second;
    const auto most = std::min<uint32_t>(std::max(parent.backed, parent.reserved),
                                         static_cast<uint32_t>(parent.tokens.size()));
    if (most < parent.first_kept) return;
    const uint32_t length = parent.first_kept + random_.Below(most - parent.first_kept + 1);
    Shadow child;
    child.salt = parent.salt;
    child.tokens.assign(parent.tokens.begin(), parent.tokens.begin() + length);
    child.rows.assign(parent.rows.begin(), parent.rows.begin() + length);
    child.reserved = length;
    child.first_kept = parent.first_kept;
    child.published = std::min(parent.published, length / tokens_per_block_ * tokens_per_block_);
    child.may_copy = length % tokens_per_block_ != 0;
    parent.may_copy = true;
    const vattn_sequence sequence = cache_.Fork((*source)->first, length);
    Note("fork ", sequence, " of ", (*source)->first, " at ", length);
    live_[sequence] = child;
  }

  void Step() {
    std::vector<vattn_sequence> sequences;
    std::vector<uint32_t> lengths;
    bool may_copy = false;
    for (auto& [sequence, shadow] : live_) {
      if (random_.OneIn(3)) continue;
      const uint32_t least = std::max(shadow.backed, shadow.reserved);
      const uint32_t growth = random_.Below(random_.OneIn(3) ? 40 : 4);
      sequences.push_back(sequence);
      lengths.push_back(std::min(least + growth, static_cast<uint32_t>(cache_.shape.max_length)));
      may_copy |= shadow.may_copy;
    }
    if (may_copy) CompleteWork();  // else this thread would wait for itself
    const vattn_cache_stats before = cache_.Stats();
    Note("step");
    for (size_t i = 0; i < sequences.size(); ++i) {
      log_.back() += " " + std::to_string(sequences[i]) + ":" + std::to_string(lengths[i]);
    }
    if (!Made(cache_.TryStep(sequences, lengths))) return;
    if (cache_.step.outcome == VATTN_STEP_OUT_OF_MEMORY) {
      log_.back() += " out of memory";
      const vattn_cache_stats after = cache_.Stats();
      CHECK_EQ(before.mapped_bytes, after.mapped_bytes);
      CHECK_EQ(before.retained_bytes, after.retained_bytes);
      CHECK_EQ(before.condemned_bytes, after.condemned_bytes);
      CHECK_EQ(before.zeroed_bytes, after.zeroed_bytes);
      CHECK_GT(cache_.step.needed_bytes, 0u);
      CHECK_EQ(cache_.step.pending_bytes, after.condemned_bytes);
      CHECK_EQ(cache_.step.evictable_bytes, after.retained_bytes);
      CheckOutOfMemoryIsTrue(sequences, lengths, after);
      return;
    }
    for (size_t i = 0; i < sequences.size(); ++i) Settle(sequences[i], lengths[i]);
  }

  // A step that was refused must need more blocks than were there: one for each it grows by, and at
  // most one copy a sequence.
  void CheckOutOfMemoryIsTrue(const std::vector<vattn_sequence>& sequences,
                              const std::vector<uint32_t>& lengths,
                              const vattn_cache_stats& stats) {
    int64_t most = 0;
    for (size_t i = 0; i < sequences.size(); ++i) {
      const Shadow& shadow = live_.at(sequences[i]);
      const uint32_t shown = std::max(shadow.backed, shadow.reserved);
      most += (lengths[i] + tokens_per_block_ - 1) / tokens_per_block_;
      most -= (shown + tokens_per_block_ - 1) / tokens_per_block_;
      most += shadow.may_copy || shadow.published > 0 || shadow.first_kept > 0;
    }
    const int64_t limit = cache_.Blocks(stats.limit_bytes);
    const int64_t used = cache_.Blocks(stats.mapped_bytes + stats.condemned_bytes);
    CHECK_GT(most, limit - used);
  }

  // After a step: new rows show nothing of others; then they are written, mostly.
  void Settle(vattn_sequence sequence, uint32_t length) {
    Shadow& shadow = live_.at(sequence);
    if (length > shadow.backed) shadow.may_copy = false;
    shadow.reserved = 0;
    shadow.backed = length;
    const auto table = cache_.Table(sequence);
    const bool write = !random_.OneIn(8);
    for (auto token = static_cast<uint32_t>(shadow.tokens.size()); token < length; ++token) {
      const auto row = RowAt(table, token);
      const float found = cache_.ReadRow(row);
      const float own = token < shadow.rows.size() ? shadow.rows[token] : 0;
      CHECK(found == 0 || found == own);
      if (token >= shadow.rows.size()) shadow.rows.push_back(0);
      shadow.rows[token] = found;
      if (!write) continue;
      shadow.tokens.push_back(random_.Below(2));
      shadow.rows[token] = RowValue(shadow.salt, shadow.tokens, token + 1);
      cache_.WriteRow(row, shadow.rows[token]);
    }
  }

  void Publish() {
    const auto entry = Pick();
    if (!entry) return;
    auto& [sequence, shadow] = **entry;
    const auto most =
        std::min<uint32_t>(shadow.backed, static_cast<uint32_t>(shadow.tokens.size()));
    const uint32_t count = random_.Below(most + 1);
    std::vector<uint32_t> tokens(shadow.tokens.begin(), shadow.tokens.begin() + count);
    Note("publish ", count, " of ", sequence);
    cache_.Publish(sequence, tokens, shadow.salt);
    if (shadow.first_kept == 0) {
      shadow.published = std::max(shadow.published, count / tokens_per_block_ * tokens_per_block_);
    }
  }

  // The rows [from, to) of a sequence are given up while a stream may be reading them.
  void Haunt(vattn_sequence sequence, uint32_t from, uint32_t to) {
    if (timeline_.idle()) return;
    const Shadow& shadow = live_.at(sequence);
    const auto table = cache_.Table(sequence);
    Ghost ghost;
    for (uint32_t token = from; token < std::min(to, shadow.backed); ++token) {
      ghost.rows.emplace_back(RowAt(table, token), shadow.rows[token]);
    }
    seen_.haunted_rows += ghost.rows.size();
    ghosts_.push_back(std::move(ghost));
  }

  void Truncate() {
    const auto entry = Pick();
    if (!entry) return;
    auto& [sequence, shadow] = **entry;
    const uint32_t shown = std::max(shadow.backed, shadow.reserved);
    const uint32_t length = random_.Below(shown + 1);
    Note("truncate ", sequence, " from ", shown, " to ", length);
    // Rows of the block that stays are its own to write again.
    const uint32_t kept = (length + tokens_per_block_ - 1) / tokens_per_block_ * tokens_per_block_;
    const auto ghosts = ghosts_.size();
    Haunt(sequence, std::max(kept, shadow.first_kept), shadow.backed);
    if (!Made(cache_.api()->truncate(cache_.cache(), sequence, length, nullptr, &cache_.error))) {
      ghosts_.resize(ghosts);
      return;
    }
    if (shadow.reserved > 0) {
      shadow.reserved = length;
      shadow.rows.resize(length);
    } else {
      shadow.backed = length;
      shadow.rows.resize(std::min<size_t>(shadow.rows.size(), kept));
    }
    shadow.tokens.resize(std::min<size_t>(shadow.tokens.size(), length));
    shadow.first_kept = std::min(shadow.first_kept, length);
    shadow.published = std::min(shadow.published, length / tokens_per_block_ * tokens_per_block_);
    shadow.may_copy = true;
  }

  void Slide() {
    const auto entry = Pick();
    if (!entry) return;
    auto& [sequence, shadow] = **entry;
    const auto most =
        std::min<uint32_t>(shadow.backed, static_cast<uint32_t>(shadow.tokens.size()));
    const uint32_t first = random_.Below(most + 1);
    Note("slide ", sequence, " to ", first);
    const auto ghosts = ghosts_.size();
    if (first > shadow.first_kept) {
      Haunt(sequence, shadow.first_kept, first / tokens_per_block_ * tokens_per_block_);
    }
    if (!Made(cache_.api()->slide(cache_.cache(), sequence, first, nullptr, &cache_.error))) {
      ghosts_.resize(ghosts);
      return;
    }
    shadow.first_kept = std::max(shadow.first_kept, first);
    if (first > 0) shadow.published = 0;
  }

  void Free() {
    const auto entry = Pick();
    if (!entry) return;
    auto& [sequence, shadow] = **entry;
    Note("free ", sequence);
    const auto ghosts = ghosts_.size();
    Haunt(sequence, shadow.first_kept, shadow.backed);
    if (!Made(cache_.api()->free(cache_.cache(), sequence, nullptr, &cache_.error))) {
      ghosts_.resize(ghosts);
      return;
    }
    stale_ = sequence;
    live_.erase(*entry);
  }

  void Misuse() {
    const uint32_t length = 1;
    vattn_sequence made = 0;
    if (stale_ != 0) {
      CHECK_EQ(cache_.TryStep({stale_}, {length}), VATTN_STALE_SEQUENCE);
      CHECK_EQ(cache_.api()->free(cache_.cache(), stale_, nullptr, &cache_.error),
               VATTN_STALE_SEQUENCE);
      CHECK_EQ(cache_.api()->fork(cache_.cache(), stale_, 0, &made, &cache_.error),
               VATTN_STALE_SEQUENCE);
    }
    const auto entry = Pick();
    if (!entry) return;
    const auto& [sequence, shadow] = **entry;
    const uint32_t shown = std::max(shadow.backed, shadow.reserved);
    CHECK_EQ(cache_.TryStep({sequence, sequence}, {shown, shown}), VATTN_INVALID_ARGUMENT);
    CHECK_EQ(cache_.TryStep({sequence}, {static_cast<uint32_t>(cache_.shape.max_length) + 1}),
             VATTN_INVALID_ARGUMENT);
    CHECK_EQ(cache_.api()->truncate(cache_.cache(), sequence, shown + 1, nullptr, &cache_.error),
             VATTN_NOT_BACKED);
    CHECK_EQ(cache_.api()->fork(cache_.cache(), sequence, shown + 1, &made, &cache_.error),
             VATTN_NOT_BACKED);
  }

  void Work() {
    Note(timeline_.idle() ? "submit" : "complete");
    if (timeline_.idle()) {
      timeline_.Submit();
    } else {
      CompleteWork();
    }
  }
  void CompleteWork() {
    timeline_.Complete();
    ghosts_.clear();
  }

  void Limit() {
    const auto all = static_cast<uint32_t>(cache_.shape.blocks);
    Note("limit");
    const uint64_t blocks = random_.OneIn(3) ? random_.Below(all + 1) : all + 1;
    CHECK_EQ(
        cache_.api()->set_limit(cache_.cache(), blocks * cache_.shape.block_bytes(), &cache_.error),
        VATTN_OK);
    if (random_.OneIn(4)) {
      CHECK_EQ(vattn_paged_drop_cached(cache_.cache(), &cache_.error), VATTN_OK);
    }
  }

  std::vector<float*> RowAt(const std::vector<int32_t>& table, uint32_t token) const {
    const int32_t block = table.at(token / tokens_per_block_);
    CHECK_GE(block, 0);
    return cache_.Row(block, static_cast<int32_t>(token % tokens_per_block_));
  }

  void Verify() {
    cache_.Check();
    std::set<int32_t> blocks;
    for (const auto& [sequence, shadow] : live_) {
      CHECK_EQ(cache_.BackedLength(sequence), shadow.backed);
      const auto table = cache_.Table(sequence);
      CHECK_EQ(table.size(), (shadow.backed + tokens_per_block_ - 1) / tokens_per_block_);
      for (uint32_t token = 0; token < shadow.backed; ++token) {
        const int32_t block = table[token / tokens_per_block_];
        if (token / tokens_per_block_ < shadow.first_kept / tokens_per_block_) {
          CHECK_EQ(block, -1);
          continue;
        }
        if (block >= 0) blocks.insert(block);
        if (token < shadow.first_kept) continue;
        const float found = cache_.ReadRow(RowAt(table, token));
        if (found == shadow.rows[token]) continue;
        Note("sequence ", sequence, ", token ", token, " of ", shadow.backed, ", block ", block,
             ": found ", found, ", expected ", shadow.rows[token]);
        throw CheckFailure{"a row that is not what its sequence wrote"};
      }
    }
    for (const Ghost& ghost : ghosts_) {
      for (const auto& [row, value] : ghost.rows) CHECK_EQ(cache_.ReadRow(row), value);
    }
    const vattn_cache_stats stats = cache_.Stats();
    CHECK_EQ(stats.live_sequences, live_.size());
    CHECK_EQ(stats.mapped_bytes + stats.retained_bytes + stats.condemned_bytes + stats.free_bytes,
             stats.total_bytes);
    CHECK_EQ(stats.needed_bytes + stats.ahead_bytes, stats.mapped_bytes);
    CHECK_EQ(cache_.Blocks(stats.needed_bytes), blocks.size());
    CHECK_GE(stats.needed_bytes, stats.used_bytes);
    CHECK_LE(stats.needed_bytes - stats.used_bytes, live_.size() * cache_.shape.block_bytes());
  }

  const vattn_fault_plan no_faults_ = {.size = sizeof(vattn_fault_plan),
                                       .fail_call = 0,
                                       .fail_count = 0,
                                       .fail_code = 0,
                                       .fail_kind = 0,
                                       .delay_us = 0,
                                       .deferred = 0};
  Random random_;
  const uint32_t tokens_per_block_;
  PagedFixture cache_;
  Timeline timeline_;
  std::map<vattn_sequence, Shadow> live_;
  std::vector<Ghost> ghosts_;
  vattn_sequence stale_ = 0;
  std::deque<std::string> log_;
  Seen seen_;
};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(Fuzz) {
  const uint64_t first = FromEnvironment("VATTENTION_FUZZ_SEED", 1);
  // Looking into a GPU's memory takes a while, too.
  const uint64_t total = FromEnvironment("VATTENTION_FUZZ_OPERATIONS",
                                         VATTN_SLOW_BUILD || OnCuda() ? 12'000 : 120'000);
  constexpr int kPerCache = 1000;
  Fuzzer::Seen seen;
  for (uint64_t i = 0; i * kPerCache < total; ++i) {
    const uint64_t seed = first * 1'000'003 + i;
    Random random(seed);
    PagedShape shape;
    constexpr int32_t kSizes[] = {1, 8, 8, 16, 32};
    shape.block_tokens = kSizes[random.Below(5)];
    shape.blocks = static_cast<int32_t>(2 + random.Below(30));
    if (shape.block_tokens == 1) shape.blocks *= 6;
    shape.max_sequences = static_cast<int32_t>(1 + random.Below(8));
    shape.max_length = 20 + random.Below(80);
    shape.layers = static_cast<int32_t>(1 + random.Below(2));
    shape.pool_layout = static_cast<int32_t>(random.Below(2));
    shape.hash_bits = random.OneIn(2) ? 0 : static_cast<int32_t>(1 + random.Below(6));
    shape.prefix_cache = 1;
    Fuzzer fuzzer(seed, shape);
    try {
      fuzzer.Run(kPerCache);
    } catch (const CheckFailure& failure) {
      std::string text = failure.text + "\n  VATTENTION_FUZZ_SEED=" + std::to_string(first) +
                         ", cache " + std::to_string(i);
      for (const std::string& line : fuzzer.log()) text += "\n  " + line;
      throw CheckFailure{text};
    }
    seen.Add(fuzzer.seen());
  }
  const uint64_t thousands = total / 1000;
  CHECK_GT(seen.steps, 100 * thousands);
  CHECK_GT(seen.out_of_memory, 10 * thousands);
  CHECK_GT(seen.aliased_tokens, 50 * thousands);
  CHECK_GT(seen.copied_tokens, 20 * thousands);
  CHECK_GT(seen.evictions, 10 * thousands);
  CHECK_GT(seen.faults, 5 * thousands);
  CHECK_GT(seen.haunted_rows, 100 * thousands);
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
