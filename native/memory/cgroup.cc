#include "memory/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>
#include <sstream>
#include <string_view>

namespace vattention {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
// Version 1 writes "no limit" as the largest multiple of a page in 63 bits.
constexpr uint64_t kUnlimitedFrom = uint64_t{1} << 60;

std::optional<std::string> ReadFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::string text;
  char buffer[4096];
  ssize_t got;
  while ((got = read(file, buffer, sizeof(buffer))) > 0) text.append(buffer, size_t(got));
  close(file);
  if (got < 0) return std::nullopt;
  return text;
}

// "max" and absurdly large numbers are no limit.
std::optional<uint64_t> ReadBytes(const std::string& path) {
  const auto text = ReadFile(path);
  if (!text) return std::nullopt;
  if (text->starts_with("max")) return kUnlimited;
  char* end = nullptr;
  const uint64_t value = std::strtoull(text->c_str(), &end, 10);
  if (end == text->c_str()) return std::nullopt;
  return value >= kUnlimitedFrom ? kUnlimited : value;
}

// The number after `key` at the start of a line: "inactive_file 4096", "MemTotal:  123 kB".
std::optional<uint64_t> ValueOf(const std::string& text, std::string_view key) {
  for (size_t line = 0; line < text.size();) {
    if (std::string_view(text).substr(line).starts_with(key)) {
      return std::strtoull(text.c_str() + line + key.size(), nullptr, 10);
    }
    const size_t end = text.find('\n', line);
    if (end == std::string::npos) break;
    line = end + 1;
  }
  return std::nullopt;
}

std::vector<std::string> Words(const std::string& line, char separator) {
  std::vector<std::string> words;
  std::istringstream in(line);
  for (std::string word; std::getline(in, word, separator);) words.push_back(word);
  return words;
}

bool HasWord(const std::string& list, const char* word) {
  const auto words = Words(list, ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

MemoryLimits::MemoryLimits(const char* root) : root_(root == nullptr ? "" : root) {
  FindGroups();
  total_bytes_ = kUnlimited;
  if (const auto memory = ReadFile(root_ + "/proc/meminfo")) {
    if (const auto total = ValueOf(*memory, "MemTotal:")) total_bytes_ = *total * 1024;
  }
  for (const Group& group : groups_) {
    total_bytes_ = std::min(total_bytes_, ReadBytes(group.limit_file).value_or(kUnlimited));
  }
}

void MemoryLimits::FindGroups() {
  const auto membership = ReadFile(root_ + "/proc/self/cgroup");
  const auto mounts = ReadFile(root_ + "/proc/self/mountinfo");
  if (!membership || !mounts) return;
  std::istringstream groups(*membership);
  for (std::string line; std::getline(groups, line);) {
    // "0::/path" is version 2; "4:memory:/path" the memory controller of version 1.
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version2 = controllers.empty() && line.starts_with("0:");
    if (!version2 && !HasWord(controllers, "memory")) continue;
    const std::string path = line.substr(second + 1);

    // "36 35 0:31 /root /mount/point options - type source super-options"
    std::istringstream table(*mounts);
    for (std::string mount; std::getline(table, mount);) {
      const size_t dash = mount.find(" - ");
      if (dash == std::string::npos) continue;
      const auto fields = Words(mount.substr(0, dash), ' ');
      const auto kind = Words(mount.substr(dash + 3), ' ');
      if (fields.size() < 5 || kind.size() < 3) continue;
      if (version2 ? kind[0] != "cgroup2" : kind[0] != "cgroup" || !HasWord(kind[2], "memory")) {
        continue;
      }
      // The mount may show a part of the tree only: paths are relative to its root.
      const std::string& shown = fields[3];
      std::string inside = path;
      if (shown != "/") {
        const bool below = path == shown || path.starts_with(shown + "/");
        inside = below ? path.substr(shown.size()) : "";
      }
      AddGroups(root_ + fields[4], inside, version2);
      break;
    }
  }
}

void MemoryLimits::AddGroups(const std::string& mount, const std::string& path, bool version2) {
  // A path that leads out of what this process may see ("/../other") binds at the mounted root
  // only.
  std::string at = path.find("/..") == std::string::npos ? path : "";
  while (true) {
    while (!at.empty() && at.back() == '/') at.pop_back();
    const std::string folder = mount + at;
    Group group = version2
                      ? Group{folder + "/memory.max", folder + "/memory.current",
                              folder + "/memory.stat", "inactive_file "}
                      : Group{folder + "/memory.limit_in_bytes", folder + "/memory.usage_in_bytes",
                              folder + "/memory.stat", "total_inactive_file "};
    if (access(group.limit_file.c_str(), R_OK) == 0) groups_.push_back(std::move(group));
    if (at.empty()) break;
    at.resize(at.rfind('/'));
  }
}

uint64_t MemoryLimits::AvailableBytes() const {
  uint64_t available = kUnlimited;
  if (const auto memory = ReadFile(root_ + "/proc/meminfo")) {
    if (const auto now = ValueOf(*memory, "MemAvailable:")) available = *now * 1024;
  }
  for (const Group& group : groups_) {
    const uint64_t limit = ReadBytes(group.limit_file).value_or(kUnlimited);
    if (limit == kUnlimited) continue;
    uint64_t used = ReadBytes(group.usage_file).value_or(0);
    if (const auto stat = ReadFile(group.stat_file)) {
      used -= std::min(used, ValueOf(*stat, group.inactive_key).value_or(0));
    }
    available = std::min(available, limit > used ? limit - used : 0);
  }
  return available;
}

}  // namespace vattention
