#include "paged/prefix_tree.h"

#include <algorithm>
#include <cstring>

#include "memory/invariant.h"

namespace vattention::paged {
namespace {

constexpr size_t kInitialBuckets = 64;

// A multiplicative mix of 64 bits with full avalanche (the finaliser of SplitMix64).
uint64_t Mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  x ^= x >> 31;
  return x;
}

uint64_t Combine(uint64_t hash, uint64_t value) {
  return Mix(hash + 0x9e3779b97f4a7c15u + Mix(value));
}

}  // namespace

PrefixTree::PrefixTree(int32_t blocks, int32_t block_tokens, int32_t hash_bits)
    : block_tokens_(block_tokens),
      hash_mask_(hash_bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << hash_bits) - 1),
      entries_(static_cast<size_t>(blocks)),
      buckets_(kInitialBuckets, kNoNode) {}

uint64_t PrefixTree::HashOf(NodeId parent, const uint32_t* tokens) const {
  uint64_t hash = nodes_[Index(parent)].hash;
  int32_t i = 0;
  for (; i + 1 < block_tokens_; i += 2) {
    hash = Combine(hash, uint64_t{tokens[i]} << 32 | tokens[i + 1]);
  }
  if (i < block_tokens_) hash = Combine(hash, tokens[i]);
  return hash & hash_mask_;
}

uint64_t PrefixTree::HashOf(std::string_view salt) const {
  uint64_t hash = salt.size();
  for (const char c : salt) hash = Combine(hash, static_cast<unsigned char>(c));
  return hash & hash_mask_;
}

NodeId PrefixTree::FindRoot(std::string_view salt) const {
  const uint64_t hash = HashOf(salt);
  for (NodeId id = buckets_[Bucket(hash)]; id != kNoNode; id = nodes_[Index(id)].next) {
    const Node& node = nodes_[Index(id)];
    if (node.parent == kNoNode && node.hash == hash && salts_[Index(node.salt)] == salt) return id;
  }
  return kNoNode;
}

NodeId PrefixTree::FindOrAddRoot(std::string_view salt) {
  const NodeId found = FindRoot(salt);
  if (found != kNoNode) return found;
  if (free_salts_.empty()) {
    salts_.emplace_back();
    free_salts_.reserve(salts_.size());
    free_salts_.push_back(static_cast<int32_t>(salts_.size()) - 1);
  }
  const int32_t index = free_salts_.back();
  salts_[Index(index)] = salt;
  const NodeId id = NewNode(HashOf(salt), kNoNode);
  free_salts_.pop_back();
  nodes_[Index(id)].root = id;
  nodes_[Index(id)].salt = index;
  Insert(id);
  return id;
}

NodeId PrefixTree::Find(uint64_t hash, NodeId parent, const uint32_t* tokens) const {
  const size_t bytes = static_cast<size_t>(block_tokens_) * sizeof(uint32_t);
  for (NodeId id = buckets_[Bucket(hash)]; id != kNoNode; id = nodes_[Index(id)].next) {
    const Node& node = nodes_[Index(id)];
    if (node.hash == hash && node.parent == parent &&
        std::memcmp(TokensOf(id).data(), tokens, bytes) == 0) {
      return id;
    }
  }
  return kNoNode;
}

NodeId PrefixTree::FindChild(NodeId parent, const uint32_t* tokens) const {
  return Find(HashOf(parent, tokens), parent, tokens);
}

NodeId PrefixTree::FindOrAddChild(NodeId parent, const uint32_t* tokens) {
  const uint64_t hash = HashOf(parent, tokens);
  const NodeId found = Find(hash, parent, tokens);
  if (found != kNoNode) return found;
  const NodeId id = NewNode(hash, parent);
  std::copy_n(tokens, block_tokens_, tokens_.begin() + int64_t{id} * block_tokens_);
  Node& node = nodes_[Index(id)];
  node.root = nodes_[Index(parent)].root;
  node.depth = nodes_[Index(parent)].depth + 1;
  ++nodes_[Index(parent)].children;
  Insert(id);
  return id;
}

// The only place that allocates memory for nodes; when that fails nothing has changed.
NodeId PrefixTree::NewNode(uint64_t hash, NodeId parent) {
  if (free_node_ == kNoNode) {
    tokens_.resize((nodes_.size() + 1) * static_cast<size_t>(block_tokens_));
    nodes_.emplace_back();
    free_node_ = static_cast<NodeId>(nodes_.size()) - 1;
  }
  if (Index(live_nodes_) >= buckets_.size()) Grow();
  const NodeId id = free_node_;
  free_node_ = nodes_[Index(id)].next;
  nodes_[Index(id)] = Node{.hash = hash, .parent = parent, .live = true};
  ++live_nodes_;
  return id;
}

void PrefixTree::Insert(NodeId id) {
  Node& node = nodes_[Index(id)];
  NodeId& head = buckets_[Bucket(node.hash)];
  node.next = head;
  head = id;
}

void PrefixTree::Remove(NodeId id) {
  Node& node = nodes_[Index(id)];
  NodeId* link = &buckets_[Bucket(node.hash)];
  while (*link != id) link = &nodes_[Index(*link)].next;
  *link = node.next;
  if (node.parent == kNoNode) {
    salts_[Index(node.salt)].clear();
    free_salts_.push_back(node.salt);
  } else {
    --nodes_[Index(node.parent)].children;
  }
  node = Node{.next = free_node_};
  free_node_ = id;
  --live_nodes_;
}

void PrefixTree::Grow() {
  std::vector<NodeId> buckets(buckets_.size() * 2, kNoNode);
  buckets_.swap(buckets);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].live) Insert(static_cast<NodeId>(i));
  }
}

void PrefixTree::Attach(NodeId id, BlockId block) {
  Entry& entry = entries_[Index(block)];
  VATTN_CHECK(entry.node == kNoNode);
  Node& node = nodes_[Index(id)];
  entry = Entry{.node = id, .next = node.block};
  if (node.block != kNoBlock) entries_[Index(node.block)].previous = block;
  node.block = block;
}

void PrefixTree::Detach(BlockId block) {
  Entry& entry = entries_[Index(block)];
  if (entry.node == kNoNode) return;
  const NodeId id = entry.node;
  if (entry.next != kNoBlock) entries_[Index(entry.next)].previous = entry.previous;
  if (entry.previous != kNoBlock) {
    entries_[Index(entry.previous)].next = entry.next;
  } else {
    nodes_[Index(id)].block = entry.next;
  }
  entry = Entry{};
  Prune(id);
}

void PrefixTree::Prune(NodeId id) {
  while (id != kNoNode) {
    const Node& node = nodes_[Index(id)];
    if (node.block != kNoBlock || node.children > 0 || node.users > 0) return;
    const NodeId parent = node.parent;
    Remove(id);
    id = parent;
  }
}

void PrefixTree::AddUser(NodeId node) {
  if (node != kNoNode) ++nodes_[Index(node)].users;
}

void PrefixTree::RemoveUser(NodeId node) {
  if (node == kNoNode) return;
  VATTN_CHECK(nodes_[Index(node)].users > 0);
  --nodes_[Index(node)].users;
  Prune(node);
}

const std::string& PrefixTree::SaltOf(NodeId root) const {
  return salts_[Index(nodes_[Index(root)].salt)];
}

std::span<const uint32_t> PrefixTree::TokensOf(NodeId node) const {
  const size_t count = static_cast<size_t>(block_tokens_);
  return {tokens_.data() + Index(node) * count, count};
}

std::string PrefixTree::Check() const {
  int32_t live = 0;
  int32_t reached = 0;
  std::vector<int32_t> children(nodes_.size());
  std::vector<int32_t> blocks(nodes_.size());
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    if (!node.live) continue;
    ++live;
    if (node.block == kNoBlock && node.children == 0 && node.users == 0) {
      return "a prefix node that nothing needs";
    }
    if (node.parent == kNoNode) {
      if (node.root != static_cast<NodeId>(i) || node.depth != 0) return "a broken root";
      continue;
    }
    const Node& parent = nodes_[Index(node.parent)];
    if (!parent.live) return "a prefix node whose parent is gone";
    if (parent.root != node.root || parent.depth + 1 != node.depth) return "a broken chain";
    ++children[Index(node.parent)];
    if (Find(node.hash, node.parent, TokensOf(static_cast<NodeId>(i)).data()) !=
        static_cast<NodeId>(i)) {
      return "two prefix nodes for one prefix";
    }
  }
  for (const NodeId head : buckets_) {
    for (NodeId id = head; id != kNoNode; id = nodes_[Index(id)].next) ++reached;
  }
  if (live != live_nodes_ || reached != live_nodes_) return "prefix nodes do not add up";
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (entry.node == kNoNode) continue;
    if (!nodes_[Index(entry.node)].live) return "a block of a dropped prefix node";
    ++blocks[Index(entry.node)];
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (children[i] != nodes_[i].children) return "a prefix node with a wrong count of children";
    for (BlockId block = nodes_[i].block; block != kNoBlock; block = entries_[Index(block)].next) {
      if (entries_[Index(block)].node != static_cast<NodeId>(i)) return "a block in a wrong list";
      --blocks[i];
    }
    if (blocks[i] != 0) return "a prefix node with a wrong list of blocks";
  }
  return "";
}

}  // namespace vattention::paged
