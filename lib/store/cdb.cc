#include "lib/store/cdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"

namespace hato {

namespace {

constexpr std::uint32_t header_size = 2048;  // 256 tables, each a position and a number of slots

std::uint32_t little_endian(const unsigned char* p) {
  return std::uint32_t{p[0]} | std::uint32_t{p[1]} << 8 | std::uint32_t{p[2]} << 16 |
         std::uint32_t{p[3]} << 24;
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

void Cdb::Free::operator()(cdb* c) const {
  cdb_free(c);
  delete c;
}

std::optional<Cdb> Cdb::open(const std::string& path) {
  Fd fd = try_open(path, O_RDONLY | O_NONBLOCK);
  if (!fd) {
    if (errno == ENOENT) return std::nullopt;
    throw_errno("open " + path);
  }
  return Cdb(std::move(fd), path);
}

Cdb::Cdb(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)), cdb_(new cdb{}) {
  struct stat st;
  if (fstat(fd_.get(), &st) != 0) throw_errno("stat " + path_);
  if (!S_ISREG(st.st_mode) || st.st_size < header_size || st.st_size > 0xffffffffLL) damaged();
  size_ = static_cast<std::uint32_t>(st.st_size);
  cdb_init(cdb_.get(), fd_.get());
  check_tables();
}

void Cdb::damaged() const {
  throw TempError(path_ + ": damaged cdb");
}

// A table that reaches beyond the end of the file could keep libowfat's search going round for 2^32 slots.
void Cdb::check_tables() {
  unsigned char header[header_size];
  if (cdb_read(cdb_.get(), header, header_size, 0) < 0) damaged();
  records_end_ = size_;
  for (const unsigned char* p = header; p < header + header_size; p += 8) {
    if (std::uint64_t{little_endian(p)} + std::uint64_t{little_endian(p + 4)} * 8 > size_) damaged();
    records_end_ = std::min(records_end_, little_endian(p));
  }
}

std::optional<std::string> Cdb::find(std::string_view key) {
  cdb_findstart(cdb_.get());
  return find_next(key);
}

std::optional<std::string> Cdb::find_next(std::string_view key) {
  const int found = cdb_findnext(cdb_.get(), bytes(key), key.size());
  if (found < 0) damaged();
  if (found == 0) return std::nullopt;
  const std::uint32_t length = cdb_datalen(cdb_.get());
  if (std::uint64_t{cdb_datapos(cdb_.get())} + length > size_) damaged();
  std::string data(length, '\0');
  if (cdb_read(cdb_.get(), reinterpret_cast<unsigned char*>(data.data()), length, cdb_datapos(cdb_.get())) <
      0)
    damaged();
  return data;
}

void Cdb::for_each(const std::function<void(std::string_view, std::string_view)>& take) {
  constexpr std::uint32_t head_size = 8;  // two lengths
  std::string record;
  for (std::uint64_t at = header_size; at < records_end_; at += record.size()) {
    unsigned char head[head_size];
    if (at + head_size > records_end_ || cdb_read(cdb_.get(), head, head_size, static_cast<uint32_t>(at)) < 0)
      damaged();
    at += head_size;
    const std::uint64_t key = little_endian(head), data = little_endian(head + 4);
    if (at + key + data > records_end_) damaged();
    record.resize(static_cast<std::size_t>(key + data));
    if (cdb_read(cdb_.get(), reinterpret_cast<unsigned char*>(record.data()), record.size(),
                 static_cast<uint32_t>(at)) < 0)
      damaged();
    const std::string_view view = record;
    take(view.substr(0, static_cast<std::size_t>(key)), view.substr(static_cast<std::size_t>(key)));
  }
}

// libowfat's cdb_make forgets write errors; the op of ours remembers the first.
struct CdbWriter::Output {
  cdb_make make{};
  int error = 0;

  ~Output() {
    free(make.split);
    while (make.head != nullptr) {
      cdb_hplist* next = make.head->next;
      free(make.head);
      make.head = next;
    }
  }

  static ssize_t op(int fd, const char* data, std::size_t size, void* self) {
    Output* output = static_cast<Output*>(static_cast<buffer*>(self)->cookie);
    if (output->error != 0) return -1;
    for (;;) {
      const ssize_t n = ::write(fd, data, size);
      if (n >= 0) return n;
      if (errno == EINTR) continue;
      output->error = errno;
      return -1;
    }
  }

  void start(int fd) {
    if (cdb_make_start(&make, fd) < 0) throw_errno("cdb");
    make.b.op = reinterpret_cast<decltype(make.b.op)>(reinterpret_cast<void (*)()>(&Output::op));
    make.b.cookie = this;
  }
  void check(int result, const std::string& path) const {
    if (error != 0) throw SystemError("write " + path, error);
    if (result < 0) throw TempError(path + ": out of memory, or more than 4 GiB");
  }
};

CdbWriter::CdbWriter(std::string path, mode_t mode)
    : path_(std::move(path)), temporary_(path_ + ".tmp"), output_(new Output) {
  fd_ = open_file(temporary_, O_RDWR | O_CREAT, 0600);
  if (flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) throw_errno("lock " + temporary_);
  // Between our open and our lock another writer may have renamed this very file to PATH.
  struct stat opened, named;
  if (fstat(fd_.get(), &opened) != 0 || stat(temporary_.c_str(), &named) != 0 ||
      opened.st_ino != named.st_ino)
    throw TempError(temporary_ + ": another writer was at work; try again");
  created_ = true;
  if (ftruncate(fd_.get(), 0) != 0) throw_errno("truncate " + temporary_);
  if (fchmod(fd_.get(), mode) != 0) throw_errno("chmod " + temporary_);
  output_->start(fd_.get());
}

CdbWriter::~CdbWriter() {
  if (created_) unlink(temporary_.c_str());
}

void CdbWriter::give_to(uid_t uid, gid_t gid) {
  if (fchown(fd_.get(), uid, gid) != 0) throw_errno("chown " + temporary_);
}

void CdbWriter::add(std::string_view key, std::string_view data) {
  output_->check(cdb_make_add(&output_->make, bytes(key), key.size(), bytes(data), data.size()), temporary_);
}

void CdbWriter::commit() {
  output_->check(cdb_make_finish(&output_->make), temporary_);
  fsync_fd(fd_.get(), temporary_);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) throw_errno("rename " + temporary_);
  created_ = false;
  fsync_directory_of(path_);
}

}  // namespace hato
