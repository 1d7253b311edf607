// The prefix cache: what is shared, with whom, for how long.
#include "tests/check.h"
#include "tests/paged_fixture.h"

namespace vattention::testing {
namespace {

// A live sequence whose tokens are written and published.
vattn_sequence Published(PagedFixture* cache, const std::vector<uint32_t>& tokens,
                         const std::string& salt = "") {
  const vattn_sequence sequence = cache->Grown(static_cast<uint32_t>(tokens.size()));
  for (uint32_t i = 0; i < tokens.size(); ++i) {
    cache->WriteToken(sequence, i, static_cast<float>(tokens[i]));
  }
  cache->Publish(sequence, tokens, salt);
  return sequence;
}

uint32_t SharedLength(PagedFixture* cache, const std::vector<uint32_t>& tokens,
                      const std::string& salt = "") {
  const auto [sequence, shared] = cache->AllocatePrefix(tokens, salt);
  cache->Free(sequence);
  return shared;
}

TEST(APromptSharesTheFullBlocksOfALiveOne) {
  PagedFixture cache;
  const vattn_sequence a = Published(&cache, Tokens(20));
  const auto [b, shared] = cache.AllocatePrefix(Tokens(30));
  CHECK_EQ(shared, 16u);
  CHECK_EQ(cache.BackedLength(b), 0u);
  cache.Step(b, 30);
  CHECK_EQ(cache.step.mapped_bytes, 2 * cache.shape.block_bytes());
  CHECK_EQ(cache.BlockOf(a, 1), cache.BlockOf(b, 1));
  CHECK_NE(cache.BlockOf(a, 2), cache.BlockOf(b, 2));
  CHECK_EQ(cache.ReadToken(b, 15), 115.0f);
  CHECK_EQ(cache.Stats().aliased_tokens, 16u);
  CHECK_EQ(cache.Blocks(cache.Stats().shared_bytes), 2);
  cache.Check();
}

TEST(TheLastTokenOfAPromptIsNeverShared) {
  PagedFixture cache;
  Published(&cache, Tokens(32));
  CHECK_EQ(SharedLength(&cache, Tokens(17)), 16u);
  CHECK_EQ(SharedLength(&cache, Tokens(16)), 8u);
  CHECK_EQ(SharedLength(&cache, Tokens(1)), 0u);
  CHECK_EQ(SharedLength(&cache, {}), 0u);
  cache.Check();
}

TEST(ABlockOfOneTokenSharesAllButTheLastToken) {
  PagedShape shape;
  shape.block_tokens = 1;
  shape.blocks = 64;
  PagedFixture cache(shape);
  Published(&cache, Tokens(20));
  CHECK_EQ(SharedLength(&cache, Tokens(20)), 19u);
  CHECK_EQ(SharedLength(&cache, Tokens(40)), 20u);
}

TEST(OnlyEqualTokensAndEqualSaltsShare) {
  PagedFixture cache;
  Published(&cache, Tokens(24), "tenant");
  CHECK_EQ(SharedLength(&cache, Tokens(24)), 0u);
  CHECK_EQ(SharedLength(&cache, Tokens(24), "tenant2"), 0u);
  CHECK_EQ(SharedLength(&cache, Tokens(24), "tenant"), 16u);
  std::vector<uint32_t> other = Tokens(24);
  other[9] = 7;
  CHECK_EQ(SharedLength(&cache, other, "tenant"), 8u);
  other[0] = 7;
  CHECK_EQ(SharedLength(&cache, other, "tenant"), 0u);
}

TEST(FreedPromptsAreKeptUntilTheirRoomIsNeeded) {
  PagedShape shape;
  shape.blocks = 6;
  PagedFixture cache(shape);
  cache.Free(Published(&cache, Tokens(24)));
  CHECK_EQ(cache.Blocks(cache.Stats().retained_bytes), 3);
  CHECK_EQ(cache.Blocks(cache.Stats().free_bytes), 3);
  const auto [b, shared] = cache.AllocatePrefix(Tokens(24));
  CHECK_EQ(shared, 16u);
  CHECK_EQ(cache.Blocks(cache.Stats().retained_bytes), 1);
  CHECK_EQ(cache.Blocks(cache.Stats().ahead_bytes), 2);
  cache.Step(b, 24);
  CHECK_EQ(cache.ReadToken(b, 3), 103.0f);
  cache.Free(b);
  // Free blocks first, then what was cached: the deepest block of the prefix before its start.
  const vattn_sequence c = cache.Grown(32);
  CHECK_EQ(cache.Stats().evictions, 1u);
  CHECK_EQ(SharedLength(&cache, Tokens(40)), 16u);
  cache.Free(c);
  const vattn_sequence d = cache.Grown(48);
  CHECK_EQ(SharedLength(&cache, Tokens(40)), 0u);
  for (uint32_t token = 0; token < 48; ++token) CHECK_EQ(cache.ReadToken(d, token), 0.0f);
  cache.Check();
}

TEST(TheLeastRecentlyUsedPrefixGoesFirst) {
  PagedShape shape;
  shape.blocks = 6;
  PagedFixture cache(shape);
  cache.Free(Published(&cache, Tokens(16, 100)));
  cache.Free(Published(&cache, Tokens(16, 200)));
  cache.Free(Published(&cache, Tokens(16, 300)));
  const auto [a, shared] = cache.AllocatePrefix(Tokens(17, 100));  // used again
  CHECK_EQ(shared, 16u);
  cache.Free(a);
  cache.Grown(16);
  CHECK_EQ(SharedLength(&cache, Tokens(17, 200)), 0u);
  CHECK_EQ(SharedLength(&cache, Tokens(17, 300)), 16u);
  CHECK_EQ(SharedLength(&cache, Tokens(17, 100)), 16u);
  cache.Check();
}

TEST(PublishingAgainLooksAtNewBlocksOnly) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(40);
  cache.Publish(a, Tokens(7));
  CHECK_EQ(SharedLength(&cache, Tokens(40)), 0u);
  cache.Publish(a, Tokens(17));
  CHECK_EQ(SharedLength(&cache, Tokens(40)), 16u);
  cache.Publish(a, Tokens(40));
  CHECK_EQ(SharedLength(&cache, Tokens(41)), 40u);
  cache.Publish(a, Tokens(9));
  CHECK_EQ(SharedLength(&cache, Tokens(41)), 40u);
  cache.Check();
}

TEST(PublishRefusesWhatContradictsItself) {
  PagedFixture cache;
  const vattn_sequence a = Published(&cache, Tokens(20));
  const auto publish = [&](const std::vector<uint32_t>& tokens) {
    return vattn_paged_publish(cache.cache(), a, tokens.data(),
                               static_cast<uint32_t>(tokens.size()), "", 0, &cache.error);
  };
  CHECK_EQ(publish(Tokens(21)), VATTN_NOT_BACKED);
  std::vector<uint32_t> other = Tokens(20);
  other[12] = 1;
  CHECK_EQ(publish(other), VATTN_INVALID_ARGUMENT);
  CHECK(std::string(cache.error.message).find("index 12") != std::string::npos);
  cache.Truncate(a, 9);
  cache.Step(a, 20);
  CHECK_EQ(publish(other), VATTN_OK);
  CHECK_EQ(SharedLength(&cache, other), 16u);
  CHECK_EQ(SharedLength(&cache, Tokens(20)), 16u);  // the old one is still cached
  cache.Check();
}

TEST(ABlockStaysWithItsFirstSalt) {
  PagedFixture cache;
  const vattn_sequence a = Published(&cache, Tokens(20), "x");
  cache.Publish(a, Tokens(20), "y");
  CHECK_EQ(SharedLength(&cache, Tokens(20), "x"), 16u);
  CHECK_EQ(SharedLength(&cache, Tokens(20), "y"), 0u);
  const vattn_sequence b = cache.Fork(a, 0);
  cache.Step(b, 8);
  cache.Publish(b, Tokens(8), "y");
  CHECK_EQ(SharedLength(&cache, Tokens(20), "y"), 8u);
  cache.Check();
}

TEST(CollisionsShareNothingWrong) {
  PagedShape shape;
  shape.hash_bits = 1;  // two hashes for everything
  shape.blocks = 64;
  PagedFixture cache(shape);
  for (uint32_t first = 0; first < 8; ++first) {
    const std::vector<uint32_t> tokens = Tokens(16, 1000 * first + 1);
    const vattn_sequence sequence = Published(&cache, tokens, std::to_string(first % 3));
    cache.Check();
    cache.Free(sequence);
  }
  for (uint32_t first = 0; first < 8; ++first) {
    const std::vector<uint32_t> tokens = Tokens(17, 1000 * first + 1);
    for (uint32_t salt = 0; salt < 3; ++salt) {
      const auto [sequence, shared] = cache.AllocatePrefix(tokens, std::to_string(salt));
      CHECK_EQ(shared, salt == first % 3 ? 16u : 0u);
      cache.Step(sequence, 17);
      for (uint32_t i = 0; i < shared; ++i) {
        CHECK_EQ(cache.ReadToken(sequence, i), static_cast<float>(tokens[i]));
      }
      cache.Free(sequence);
    }
  }
  // The same second block behind different first ones.
  std::vector<uint32_t> mixed = Tokens(8, 3001);
  const std::vector<uint32_t> tail = Tokens(16, 1);
  mixed.insert(mixed.end(), tail.begin() + 8, tail.end());
  mixed.push_back(5);
  CHECK_EQ(SharedLength(&cache, mixed, "0"), 8u);
  cache.Check();
}

TEST(ASequenceThatComputedTheSameIsFoundWhenTheFirstHasGone) {
  PagedShape shape;
  shape.blocks = 8;
  PagedFixture cache(shape);
  const vattn_sequence a = cache.Grown(24);
  const vattn_sequence b = cache.Grown(24);
  cache.Publish(a, Tokens(24));
  cache.Publish(b, Tokens(24));
  CHECK_NE(cache.BlockOf(a, 0), cache.BlockOf(b, 0));
  cache.Free(a);
  // One copy is enough: the other's blocks are free at once.
  CHECK_EQ(cache.Blocks(cache.Stats().retained_bytes), 0);
  CHECK_EQ(cache.Blocks(cache.Stats().free_bytes), 5);
  CHECK_EQ(SharedLength(&cache, Tokens(25)), 24u);
  cache.Free(b);
  CHECK_EQ(cache.Blocks(cache.Stats().retained_bytes), 3);
  CHECK_EQ(SharedLength(&cache, Tokens(25)), 24u);
  cache.Check();
}

TEST(ADeepBlockIsFoundAgainOnceItsPrefixIsComputedAgain) {
  PagedShape shape;
  shape.blocks = 8;
  PagedFixture cache(shape);
  const vattn_sequence a = cache.Grown(16);
  cache.Publish(a, Tokens(16));
  const auto [b, shared] = cache.AllocatePrefix(Tokens(25));
  CHECK_EQ(shared, 16u);
  cache.Step(b, 24);
  cache.Publish(b, Tokens(24));
  cache.Free(a);
  cache.Slide(b, 16);  // its first two blocks are cached only
  const vattn_sequence big = cache.Grown(56);
  CHECK_EQ(SharedLength(&cache, Tokens(25)), 0u);
  cache.Free(big);
  const vattn_sequence c = cache.Grown(16);
  cache.Publish(c, Tokens(16));
  CHECK_EQ(SharedLength(&cache, Tokens(25)), 24u);
  cache.Check();
}

TEST(APublishedBlockIsCopiedBeforeItIsWrittenAgain) {
  PagedFixture cache;
  const vattn_sequence a = Published(&cache, Tokens(16));
  cache.Truncate(a, 12);
  cache.Step(a, 13);
  CHECK_EQ(cache.step.mapped_bytes, cache.shape.block_bytes());
  cache.WriteToken(a, 12, 5);
  CHECK_EQ(cache.Blocks(cache.Stats().retained_bytes), 1);
  const auto [b, shared] = cache.AllocatePrefix(Tokens(17));
  CHECK_EQ(shared, 16u);
  cache.Step(b, 17);
  CHECK_EQ(cache.ReadToken(b, 12), 112.0f);
  cache.Check();
}

TEST(APublishedBlockIsForgottenWhenThereIsNoRoomForACopy) {
  PagedShape shape;
  shape.blocks = 2;
  PagedFixture cache(shape);
  const vattn_sequence a = Published(&cache, Tokens(16));
  cache.Truncate(a, 12);
  cache.Step(a, 13);
  CHECK_EQ(cache.step.outcome, VATTN_STEP_OK);
  CHECK_EQ(cache.step.mapped_bytes, 0u);
  CHECK_EQ(cache.ReadToken(a, 11), 111.0f);
  CHECK_EQ(SharedLength(&cache, Tokens(17)), 8u);
  cache.Check();
}

TEST(AReservedPrefixIsNotEvicted) {
  PagedShape shape;
  shape.blocks = 4;
  PagedFixture cache(shape);
  cache.Free(Published(&cache, Tokens(16)));
  const auto [a, shared] = cache.AllocatePrefix(Tokens(20));
  CHECK_EQ(shared, 16u);
  const vattn_sequence b = cache.Allocate();
  CHECK_EQ(cache.TryStep({b}, {24}), VATTN_OK);
  CHECK_EQ(cache.step.outcome, VATTN_STEP_OUT_OF_MEMORY);
  CHECK_EQ(cache.step.needed_bytes, shape.block_bytes());
  cache.Step(a, 20);
  CHECK_EQ(cache.ReadToken(a, 15), 115.0f);
  cache.Check();
}

TEST(LoweringTheLimitEvictsCachedBlocks) {
  PagedShape shape;
  shape.blocks = 6;
  PagedFixture cache(shape);
  cache.Free(Published(&cache, Tokens(32)));
  CHECK_EQ(cache.api()->set_limit(cache.cache(), 2 * shape.block_bytes(), &cache.error), VATTN_OK);
  CHECK_EQ(cache.Blocks(cache.Stats().retained_bytes), 2);
  CHECK_EQ(SharedLength(&cache, Tokens(40)), 16u);
  CHECK_EQ(vattn_paged_drop_cached(cache.cache(), &cache.error), VATTN_OK);
  CHECK_EQ(SharedLength(&cache, Tokens(40)), 0u);
  cache.Check();
}

TEST(WithoutAPrefixCacheNothingIsKept) {
  PagedShape shape;
  shape.prefix_cache = 0;
  PagedFixture cache(shape);
  const vattn_sequence a = Published(&cache, Tokens(20));
  CHECK_EQ(SharedLength(&cache, Tokens(20)), 0u);
  cache.Free(a);
  CHECK_EQ(cache.Stats().retained_bytes, 0u);
  cache.Check();
}

TEST(AForkPublishesOnFromItsSource) {
  PagedFixture cache;
  const vattn_sequence a = Published(&cache, Tokens(20));
  const vattn_sequence b = cache.Fork(a, 20);
  std::vector<uint32_t> tokens = Tokens(20);
  for (uint32_t i = 20; i < 40; ++i) tokens.push_back(900 + i);
  cache.Step(b, 40);
  cache.Publish(b, tokens);
  CHECK_EQ(SharedLength(&cache, tokens), 32u);
  CHECK_EQ(SharedLength(&cache, Tokens(40)), 16u);
  cache.Check();
}

TEST(BlocksThatAWindowHasCutAreNotPublished) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(24);
  cache.Slide(a, 20);
  cache.Truncate(a, 5);  // the first block is gone
  cache.Step(a, 20);
  cache.Publish(a, Tokens(20));
  CHECK_EQ(SharedLength(&cache, Tokens(20)), 0u);
  const vattn_sequence b = Published(&cache, Tokens(8));
  cache.Publish(a, Tokens(20));  // its second block is whole
  CHECK_EQ(SharedLength(&cache, Tokens(20)), 16u);
  cache.Free(b);
  cache.Check();
}

TEST(NothingIsLeftOfPrefixesThatHaveGone) {
  PagedShape shape;
  shape.blocks = 6;
  PagedFixture cache(shape);
  for (uint32_t round = 0; round < 100; ++round) {
    cache.Free(Published(&cache, Tokens(40, 64 * round), std::to_string(round)));
    cache.Check();  // a node without blocks, children or users is an error there
  }
  CHECK_EQ(vattn_paged_drop_cached(cache.cache(), &cache.error), VATTN_OK);
  CHECK_EQ(cache.Blocks(cache.Stats().free_bytes), 6);
  cache.Check();
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
