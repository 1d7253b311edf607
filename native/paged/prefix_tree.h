// What the pool's blocks hold, by content: the index behind prefix sharing.
//
// A *node* stands for one full block of tokens after one prefix. Its key is a hash over the hash of
// its parent and its own tokens, so that a whole prefix is looked up block by block in O(1) each;
// the roots of the chains are salts (a tenant, a model). A hit is compared in full: parent by
// identity, tokens one by one. A collision of hashes can therefore not share wrong data.
//
//   salt "a" --- [t0..t15] --- [t16..t31] --- [t32..t47]      each node: the blocks that hold it
//                         \--- [u16..u31]
//
// Several blocks may hold one node: sequences that computed the same prompt at the same time. A
// node without a block stays while it has children, so that they are found again when the prefix is
// computed once more.
#ifndef VATTENTION_NATIVE_PAGED_PREFIX_TREE_H_
#define VATTENTION_NATIVE_PAGED_PREFIX_TREE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vattention::paged {

using BlockId = int32_t;
using NodeId = int32_t;
inline constexpr BlockId kNoBlock = -1;
inline constexpr NodeId kNoNode = -1;

class PrefixTree {
 public:
  // `hash_bits` low bits of each hash count (64: all), so that tests can make collisions.
  PrefixTree(int32_t blocks, int32_t block_tokens, int32_t hash_bits);

  // The root of `salt`, kNoNode when nothing was published under it.
  NodeId FindRoot(std::string_view salt) const;
  // The root of `salt`, made when there is none. A root without children goes with Prune.
  NodeId FindOrAddRoot(std::string_view salt);

  // The child of `parent` that stands for `tokens` [block_tokens], kNoNode when there is none.
  NodeId FindChild(NodeId parent, const uint32_t* tokens) const;
  NodeId FindOrAddChild(NodeId parent, const uint32_t* tokens);

  // Records that `block` holds what `node` stands for. The block must not hold another node.
  void Attach(NodeId node, BlockId block);
  // Forgets what `block` holds, if anything, and drops nodes that nothing needs any more.
  void Detach(BlockId block);
  // Drops `node` and its ancestors as far as they have neither blocks, children nor users.
  void Prune(NodeId node);

  // A node in use is not dropped: sequences remember how far they have been published.
  void AddUser(NodeId node);
  void RemoveUser(NodeId node);

  NodeId NodeOf(BlockId block) const { return entries_[Index(block)].node; }
  // The most recently attached block of `node`, kNoBlock when there is none.
  BlockId BlockOf(NodeId node) const { return nodes_[Index(node)].block; }
  // The next block of the same node, kNoBlock at the end.
  BlockId NextTwin(BlockId block) const { return entries_[Index(block)].next; }
  NodeId ParentOf(NodeId node) const { return nodes_[Index(node)].parent; }
  // The root that `node` descends from: O(1).
  NodeId RootOf(NodeId node) const { return nodes_[Index(node)].root; }
  const std::string& SaltOf(NodeId root) const;
  // Blocks from the root to `node`, itself included: 0 for a root.
  int32_t DepthOf(NodeId node) const { return nodes_[Index(node)].depth; }
  int32_t UsersOf(NodeId node) const { return nodes_[Index(node)].users; }
  std::span<const uint32_t> TokensOf(NodeId node) const;

  int32_t live_nodes() const { return live_nodes_; }
  // Whole-structure check; the text of the first thing that is wrong, empty when nothing is.
  std::string Check() const;

 private:
  struct Node {
    uint64_t hash = 0;
    NodeId parent = kNoNode;
    NodeId root = kNoNode;
    NodeId next = kNoNode;     // in the bucket, or in the list of unused nodes
    BlockId block = kNoBlock;  // first of the blocks that hold it
    int32_t depth = 0;
    int32_t children = 0;
    int32_t users = 0;  // sequences whose published prefix ends here
    int32_t salt = -1;  // roots: index into salts_
    bool live = false;
  };
  struct Entry {  // of a block
    NodeId node = kNoNode;
    BlockId next = kNoBlock;  // other blocks of the same node
    BlockId previous = kNoBlock;
  };

  static size_t Index(int32_t id) { return static_cast<size_t>(id); }
  uint64_t HashOf(NodeId parent, const uint32_t* tokens) const;
  uint64_t HashOf(std::string_view salt) const;
  size_t Bucket(uint64_t hash) const { return hash & (buckets_.size() - 1); }
  NodeId Find(uint64_t hash, NodeId parent, const uint32_t* tokens) const;
  NodeId NewNode(uint64_t hash, NodeId parent);
  void Insert(NodeId node);
  void Remove(NodeId node);
  void Grow();

  int32_t block_tokens_;
  uint64_t hash_mask_;
  std::vector<Entry> entries_;  // [blocks]
  std::vector<Node> nodes_;
  std::vector<uint32_t> tokens_;  // [nodes, block_tokens]
  std::vector<NodeId> buckets_;   // a power of two
  std::vector<std::string> salts_;
  std::vector<int32_t> free_salts_;
  NodeId free_node_ = kNoNode;
  int32_t live_nodes_ = 0;
};

}  // namespace vattention::paged

#endif  // VATTENTION_NATIVE_PAGED_PREFIX_TREE_H_
