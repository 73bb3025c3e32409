#include "admin/queue_listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/conf.h"
#include "lib/base/directory.h"
#include "lib/base/error.h"

namespace hato {

namespace {

Fd open_directory(const std::string& path) {
  Fd fd = try_open(path, O_RDONLY | O_DIRECTORY);
  if (fd) return fd;
  if (errno == EACCES || errno == EPERM)
    throw TempError("cannot read " + path + ": run this as root or as a member of group " +
                    conf::group_qmail);
  throw_errno("open " + path);
}

std::optional<unsigned> subdirectory_number(std::string_view name) {
  if (name == "0") return 0;
  const std::optional<QueueId> number = QueueId::parse(name);
  if (!number || number->value() > 1000000) return std::nullopt;
  return static_cast<unsigned>(number->value());
}

}  // namespace

std::vector<unsigned> QueueListing::subdirectories(const std::string& below) const {
  std::vector<unsigned> numbers;
  const std::string path = paths_.queue + "/" + below;
  Fd fd = open_directory(path);
  read_directory(fd.get(), path, [&](const DirectoryEntry& entry) {
    if (const std::optional<unsigned> number = subdirectory_number(entry.name)) numbers.push_back(*number);
  });
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

void QueueListing::read_names(const std::string& below, std::vector<ListedMessage>& into, bool fresh,
                              unsigned subdirectory) {
  const std::string path = paths_.queue + "/" + below;
  Fd fd = open_directory(path);
  read_directory(fd.get(), path, [&](const DirectoryEntry& entry) {
    if (entry.name.starts_with('.')) return;
    if (const std::optional<QueueId> id = QueueId::parse(entry.name))
      into.push_back({*id, fresh, subdirectory});
    else
      strays.push_back({path + "/" + std::string(entry.name)});
  });
}

QueueListing::QueueListing(const std::string& queue) : paths_(queue, conf::split) {
  read_names("new", messages, true, 0);
  const std::vector<unsigned> mess = subdirectories("mess");
  if (!mess.empty()) paths_.split = mess.back() + 1;
  for (const unsigned number : mess) read_names("mess/" + std::to_string(number), messages, false, number);
  // On its way from new/ to mess/: where it is now.
  std::stable_sort(messages.begin(), messages.end(), [](const ListedMessage& a, const ListedMessage& b) {
    return a.id != b.id ? a.id < b.id : a.fresh < b.fresh;
  });
  messages.erase(
      std::unique(messages.begin(), messages.end(),
                  [](const ListedMessage& a, const ListedMessage& b) { return a.id == b.id && b.fresh; }),
      messages.end());
  read_holds();
  for (const unsigned number : subdirectories("state"))
    read_names("state/" + std::to_string(number), states, false, number);
  std::vector<ListedMessage> in_bad;
  const std::size_t strays_before = strays.size();
  read_names("bad", in_bad, false, 0);
  strays.resize(strays_before);  // anything may lie in bad/
  for (const ListedMessage& message : in_bad) bad.push_back(message.id);
}

// A queue of another installation may not have the directory yet.
void QueueListing::read_holds() {
  if (access((paths_.queue + "/hold").c_str(), F_OK) != 0 && errno == ENOENT) return;
  std::vector<ListedMessage> marks;
  read_names("hold", marks, false, 0);
  for (const ListedMessage& mark : marks) holds.push_back(mark.id);
  std::sort(holds.begin(), holds.end());
  if (holds.empty()) return;
  for (ListedMessage& message : messages)
    message.held = std::binary_search(holds.begin(), holds.end(), message.id);
}

std::size_t QueueListing::held_count() const {
  return static_cast<std::size_t>(
      std::count_if(messages.begin(), messages.end(), [](const ListedMessage& m) { return m.held; }));
}

std::size_t QueueListing::fresh_count() const {
  return static_cast<std::size_t>(
      std::count_if(messages.begin(), messages.end(), [](const ListedMessage& m) { return m.fresh; }));
}

std::string QueueListing::path(const ListedMessage& message) const {
  if (message.fresh) return paths_.fresh(message.id);
  return paths_.queue + "/mess/" + std::to_string(message.subdirectory) + "/" + message.id.text();
}

std::string QueueListing::state_path(const ListedMessage& state) const {
  return paths_.queue + "/state/" + std::to_string(state.subdirectory) + "/" + state.id.text();
}

}  // namespace hato
