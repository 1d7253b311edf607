#include "tests/memory_export_peer.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "tests/check.h"
#include "tests/device_memory.h"

namespace vattention::testing {
namespace {

constexpr char kPeerArgument[] = "--import-from-descriptor-3";
constexpr int kSocket = 3;
constexpr int kFilesAtATime = 64;  // the kernel takes 253 with one message

struct Answer {
  int32_t status;
  int64_t driver_code;
  char message[512];
};
struct Question {
  char what;  // 'r' read, 'w' write
  uint8_t cookie;
  int32_t sequence;
  uint32_t from;
  uint32_t to;
};

void SendAll(int socket, const void* data, size_t bytes) {
  const auto* at = static_cast<const uint8_t*>(data);
  while (bytes > 0) {
    const ssize_t sent = send(socket, at, bytes, MSG_NOSIGNAL);
    CHECK_GT(sent, 0);
    at += sent;
    bytes -= static_cast<size_t>(sent);
  }
}
bool ReceiveAll(int socket, void* data, size_t bytes) {
  auto* at = static_cast<uint8_t*>(data);
  while (bytes > 0) {
    const ssize_t got = recv(socket, at, bytes, 0);
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

template <typename T>
void SendArray(int socket, const T* values, int32_t count) {
  SendAll(socket, values, sizeof(T) * static_cast<size_t>(count));
}
template <typename T>
std::vector<T> ReceiveArray(int socket, int32_t count) {
  std::vector<T> values(static_cast<size_t>(count));
  CHECK(ReceiveAll(socket, values.data(), sizeof(T) * values.size()));
  return values;
}

// Room for the descriptors of one message.
union Control {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int) * kFilesAtATime)];
};

void SendFiles(int socket, const int32_t* files, int32_t count) {
  for (int32_t done = 0; done < count;) {
    const int32_t some = std::min(count - done, kFilesAtATime);
    Control control{};
    char nothing = 0;
    iovec payload{&nothing, 1};
    msghdr message{};
    message.msg_iov = &payload;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * static_cast<size_t>(some));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int) * static_cast<size_t>(some));
    std::memcpy(CMSG_DATA(&control.header), files + done, sizeof(int) * static_cast<size_t>(some));
    CHECK_EQ(sendmsg(socket, &message, MSG_NOSIGNAL), 1);
    done += some;
  }
}
std::vector<int32_t> ReceiveFiles(int socket, int32_t count) {
  std::vector<int32_t> files;
  while (files.size() < static_cast<size_t>(count)) {
    Control control{};
    char nothing = 0;
    iovec payload{&nothing, 1};
    msghdr message{};
    message.msg_iov = &payload;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof(control.bytes);
    CHECK_EQ(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), 1);
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    CHECK(header != nullptr && header->cmsg_type == SCM_RIGHTS);
    const size_t some = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const size_t before = files.size();
    files.resize(before + some);
    std::memcpy(files.data() + before, CMSG_DATA(header), some * sizeof(int));
  }
  return files;
}

// Rows of an import, on whichever device.
class Rows {
 public:
  Rows(const vattn_cache_view& view) : view_(view) {  // NOLINT: one argument
    if (view.key[0].device_type == VATTN_DEVICE_CUDA) stream_ = std::make_unique<CudaStream>();
  }
  bool Holds(const Question& question) {
    bool holds = true;
    ForEach(question, [&](uint8_t* row, size_t bytes) {
      std::vector<uint8_t> found(bytes);
      if (stream_ != nullptr) {
        stream_->Read(found.data(), row, bytes);
      } else {
        std::memcpy(found.data(), row, bytes);
      }
      holds = holds && std::all_of(found.begin(), found.end(),
                                   [&](uint8_t byte) { return byte == question.cookie; });
    });
    return holds;
  }
  void Write(const Question& question) {
    ForEach(question, [&](uint8_t* row, size_t bytes) {
      const std::vector<uint8_t> values(bytes, question.cookie);
      if (stream_ != nullptr) {
        stream_->Write(row, values.data(), bytes);
      } else {
        std::memcpy(row, values.data(), bytes);
      }
    });
  }

 private:
  template <typename Do>
  void ForEach(const Question& question, Do act) {
    const int64_t element_bytes = view_.shape.dtype == VATTN_FLOAT32 ? 4 : 2;
    for (int32_t layer = 0; layer < view_.shape.layers; ++layer) {
      for (const vattn_tensor* tensor : {&view_.key[layer], &view_.value[layer]}) {
        const auto bytes = static_cast<size_t>(tensor->shape[2] * tensor->shape[3] * element_bytes);
        for (int64_t token = question.from; token < question.to; ++token) {
          const int64_t at = question.sequence * tensor->stride[0] + token * tensor->stride[1];
          act(static_cast<uint8_t*>(tensor->data) + at * element_bytes, bytes);
        }
      }
    }
  }
  const vattn_cache_view view_;
  std::unique_ptr<CudaStream> stream_;  // on a GPU
};

void BePeer() {
  vattn_page_manifest manifest;
  int32_t writable = 0;
  CHECK(ReceiveAll(kSocket, &manifest, sizeof(manifest)));
  CHECK(ReceiveAll(kSocket, &writable, sizeof(writable)));
  const auto lengths = ReceiveArray<uint32_t>(kSocket, manifest.sequences);
  const auto pages = ReceiveArray<vattn_exported_page>(kSocket, manifest.pages);
  const auto keys = ReceiveArray<vattn_exported_tensor>(kSocket, manifest.layers);
  const auto values = ReceiveArray<vattn_exported_tensor>(kSocket, manifest.layers);
  manifest.length = lengths.data();
  manifest.page = pages.data();
  manifest.key = keys.data();
  manifest.value = values.data();
  const std::vector<int32_t> files = ReceiveFiles(kSocket, manifest.files);

  vattn_page_import* import = nullptr;
  vattn_error error{};
  error.size = sizeof(error);
  Answer answer{};
  answer.status = vattn_import_pages(&manifest, files.data(), writable, &import, &error);
  answer.driver_code = error.driver_code;
  std::strncpy(answer.message, error.message, sizeof(answer.message) - 1);
  for (const int32_t file : files) close(file);  // mappings need them no longer
  SendAll(kSocket, &answer, sizeof(answer));
  if (answer.status != VATTN_OK) return;

  vattn_cache_view view{};
  view.size = sizeof(view);
  CHECK_EQ(vattn_import_view(import, &view, &error), VATTN_OK);
  {
    Rows rows(view);
    Question question;
    while (ReceiveAll(kSocket, &question, sizeof(question))) {
      uint8_t holds = 1;
      if (question.what == 'w') {
        rows.Write(question);
      } else {
        holds = rows.Holds(question) ? 1 : 0;
      }
      SendAll(kSocket, &holds, 1);
    }
  }
  vattn_import_release(import);
}

}  // namespace

ExportPeer::ExportPeer(const vattn_page_manifest& manifest, const int32_t* files, bool writable) {
  int ends[2];
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  socket_ = ends[0];
  char program[] = "/proc/self/exe";
  char argument[sizeof(kPeerArgument)];
  std::memcpy(argument, kPeerArgument, sizeof(argument));
  char* const arguments[] = {program, argument, nullptr};
  process_ = fork();
  CHECK_GE(process_, 0);
  if (process_ == 0) {
    // dup2 of a descriptor onto itself would leave it to be closed by exec.
    const int kept = ends[1] == kSocket ? fcntl(kSocket, F_SETFD, 0) : dup2(ends[1], kSocket);
    if (kept >= 0) execv(program, arguments);
    _exit(127);
  }
  close(ends[1]);

  const int32_t wants_to_write = writable ? 1 : 0;
  SendAll(socket_, &manifest, sizeof(manifest));
  SendAll(socket_, &wants_to_write, sizeof(wants_to_write));
  SendArray(socket_, manifest.length, manifest.sequences);
  SendArray(socket_, manifest.page, manifest.pages);
  SendArray(socket_, manifest.key, manifest.layers);
  SendArray(socket_, manifest.value, manifest.layers);
  SendFiles(socket_, files, manifest.files);
  Answer answer;
  CHECK(ReceiveAll(socket_, &answer, sizeof(answer)));
  status_ = static_cast<vattn_status>(answer.status);
  driver_code_ = answer.driver_code;
  message_ = answer.message;
}

ExportPeer::~ExportPeer() {
  close(socket_);
  int status = 0;
  while (waitpid(process_, &status, 0) < 0 && errno == EINTR) continue;
}

bool ExportPeer::Ask(char what, int32_t sequence, uint32_t from, uint32_t to, uint8_t cookie) {
  const Question question{what, cookie, sequence, from, to};
  SendAll(socket_, &question, sizeof(question));
  uint8_t holds = 0;
  CHECK(ReceiveAll(socket_, &holds, 1));
  return holds != 0;
}

bool ExportPeer::Holds(int32_t sequence, uint32_t from, uint32_t to, uint8_t cookie) {
  return Ask('r', sequence, from, to, cookie);
}

void ExportPeer::Write(int32_t sequence, uint32_t from, uint32_t to, uint8_t cookie) {
  Ask('w', sequence, from, to, cookie);
}

int RunTestsOrPeer(int argc, char** argv) {
  if (argc < 2 || std::strcmp(argv[1], kPeerArgument) != 0) return RunTests(argc, argv);
  try {
    BePeer();
  } catch (const CheckFailure& failure) {
    std::cout << failure.text << std::endl;
    return 1;
  }
  return 0;
}

}  // namespace vattention::testing
