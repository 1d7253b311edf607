// Memory limits of the machine and of the control groups that the process is in.
//
// Version 1 and 2 are read, also side by side, and every ancestor of the process's group up to the
// mounted root: a limit on any of them binds.
#ifndef VATTENTION_NATIVE_MEMORY_CGROUP_H_
#define VATTENTION_NATIVE_MEMORY_CGROUP_H_

#include <cstdint>
#include <string>
#include <vector>

namespace vattention {

class MemoryLimits {
 public:
  // `root` stands for "/": limits are read from root/proc/self/cgroup, root/proc/self/mountinfo,
  // the control group file systems mounted below root, and root/proc/meminfo. nullptr: the
  // system's. What is missing does not bind.
  explicit MemoryLimits(const char* root);

  // Most the process could ever use: the least of RAM and every control group's limit.
  uint64_t total_bytes() const { return total_bytes_; }
  // What could be used now without reclaiming anybody's memory but file cache. Reads files.
  uint64_t AvailableBytes() const;

 private:
  struct Group {
    std::string limit_file;    // memory.max or memory.limit_in_bytes
    std::string usage_file;    // memory.current or memory.usage_in_bytes
    std::string stat_file;     // memory.stat
    const char* inactive_key;  // file cache that the kernel drops first
  };
  void FindGroups();
  void AddGroups(const std::string& mount, const std::string& path, bool version2);

  std::string root_;
  std::vector<Group> groups_;  // that have a limit or may get one
  uint64_t total_bytes_ = 0;
};

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_CGROUP_H_
