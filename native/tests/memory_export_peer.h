// The other process of the tests of exported pages: this executable once more, started anew, so
// that it has nothing of the first one but the descriptors and the manifest that it is sent.
#ifndef VATTENTION_NATIVE_TESTS_MEMORY_EXPORT_PEER_H_
#define VATTENTION_NATIVE_TESTS_MEMORY_EXPORT_PEER_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "vattention/page_export.h"

namespace vattention::testing {

class ExportPeer {
 public:
  // Starts it; it imports what it gets over a socket, descriptors by SCM_RIGHTS.
  ExportPeer(const vattn_page_manifest& manifest, const int32_t* files, bool writable);
  // Ends it.
  ~ExportPeer();
  ExportPeer(const ExportPeer&) = delete;
  ExportPeer& operator=(const ExportPeer&) = delete;

  // How its import went.
  vattn_status status() const { return status_; }
  int64_t driver_code() const { return driver_code_; }
  const std::string& message() const { return message_; }

  // Whether every byte of tokens [from, to) of one sequence of the export is `cookie`.
  bool Holds(int32_t sequence, uint32_t from, uint32_t to, uint8_t cookie);
  // Writes such bytes.
  void Write(int32_t sequence, uint32_t from, uint32_t to, uint8_t cookie);

 private:
  bool Ask(char what, int32_t sequence, uint32_t from, uint32_t to, uint8_t cookie);

  pid_t process_ = -1;
  int socket_ = -1;
  vattn_status status_ = VATTN_INTERNAL;
  int64_t driver_code_ = 0;
  std::string message_;
};

// `main` of a test that uses peers: either runs the tests, or is one.
int RunTestsOrPeer(int argc, char** argv);

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_MEMORY_EXPORT_PEER_H_
