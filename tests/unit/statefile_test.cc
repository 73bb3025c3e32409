#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/store/statefile.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;

namespace {

MessageKey key_of(char fill) {
  MessageKey key;
  key.fill(fill);
  return key;
}

const std::vector<StateRecord> some = {{StateType::done, 0, ""},
                                       {StateType::failed, 70000, "no such mailbox\n550 really\n"},
                                       {StateType::refused, 0, "not wanted"},
                                       {StateType::bounced, 0, "1"},
                                       {StateType::delayed, 0, ""},
                                       {StateType::notified, 0, ""}};

std::string bytes_of(const std::vector<StateRecord>& records, char key = 'k') {
  std::string bytes = encode_state_head(key_of(key));
  for (const StateRecord& record : records) bytes += encode_state_record(record);
  return bytes;
}

class Place {
 public:
  std::string file() const { return scratch_.file("1"); }
  std::string text() const { return read_file(file(), 1 << 20).value_or("(missing)"); }
  void write(const std::string& bytes) const { scratch_.write("1", bytes); }

 private:
  ScratchDirectory scratch_;
};

}  // namespace

TEST_CASE("state records come back as they were written", "[statefile]") {
  const ParsedState state = parse_state(bytes_of(some), key_of('k'));
  CHECK(state.ours);
  CHECK(state.records == some);
  CHECK(state.sound_bytes == bytes_of(some).size());
}

TEST_CASE("the layout is man/qmail-statefile.5's", "[statefile]") {
  const std::string head = encode_state_head(key_of('k'));
  CHECK(head.size() == 32);
  CHECK(head.substr(0, 8) == "hatost1\n");
  CHECK(head.substr(8, 4) == std::string("\0\0\0\1", 4));
  CHECK(head.substr(16) == std::string(16, 'k'));
  const std::string record = encode_state_record({StateType::failed, 258, "ab"});
  CHECK(record.substr(0, 4) == std::string("\0\0\0\7", 4));
  CHECK(record.substr(8) == std::string("\2\0\0\1\2ab", 7));
}

TEST_CASE("cut off anywhere, the whole records before it count", "[statefile]") {
  const std::string bytes = bytes_of(some);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    CAPTURE(cut);
    const ParsedState state = parse_state(bytes.substr(0, cut), key_of('k'));
    CHECK(state.ours == (cut >= 32));
    CHECK(state.records.size() < some.size());
    CHECK(state.sound_bytes <= cut);
    for (std::size_t i = 0; i < state.records.size(); ++i) CHECK(state.records[i] == some[i]);
  }
}

TEST_CASE("a damaged byte ends the file before its record", "[statefile]") {
  const std::string good = bytes_of(some);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x20);
    const ParsedState state = parse_state(bytes, key_of('k'));
    CAPTURE(at);
    CHECK(state.ours == (at >= 32));
    CHECK(state.records.size() < some.size());
    for (std::size_t i = 0; i < state.records.size(); ++i) CHECK(state.records[i] == some[i]);
  }
}

TEST_CASE("another message's state is none", "[statefile]") {
  const ParsedState state = parse_state(bytes_of(some, 'x'), key_of('k'));
  CHECK_FALSE(state.ours);
  CHECK(state.records.empty());
}

TEST_CASE("a type that is not known is skipped", "[statefile]") {
  std::string bytes = bytes_of({some[0]});
  bytes += encode_state_record({static_cast<StateType>(99), 5, "from the future"});
  bytes += encode_state_record(some[1]);
  const ParsedState state = parse_state(bytes, key_of('k'));
  CHECK(state.records == std::vector<StateRecord>{some[0], some[1]});
  CHECK(state.sound_bytes == bytes.size());
}

TEST_CASE("a long text is cut off and still a sound record", "[statefile]") {
  const std::string bytes = bytes_of({{StateType::failed, 1, std::string(100000, 'x')}, some[0]});
  const ParsedState state = parse_state(bytes, key_of('k'));
  REQUIRE(state.records.size() == 2);
  CHECK(state.records[0].text.size() == state_format::text_limit);
}

TEST_CASE("a state file is made by its first record and appended to", "[statefile]") {
  const Place scratch;
  StateFile state(scratch.file(), key_of('k'));
  CHECK(state.load().empty());
  CHECK_FALSE(state.exists());
  state.append(some[0]);
  CHECK(state.exists());
  state.close();
  state.append(some[1]);
  CHECK(scratch.text() == bytes_of({some[0], some[1]}));
  StateFile again(scratch.file(), key_of('k'));
  CHECK(again.load() == std::vector<StateRecord>{some[0], some[1]});
  again.remove();
  CHECK(scratch.text() == "(missing)");
  CHECK_NOTHROW(again.remove());
}

TEST_CASE("appending cuts off a torn record, and replaces another message's file", "[statefile]") {
  const Place scratch;
  scratch.write(bytes_of({some[0], some[1]}).substr(0, bytes_of({some[0]}).size() + 11));
  StateFile torn(scratch.file(), key_of('k'));
  torn.append(some[2]);
  CHECK(scratch.text() == bytes_of({some[0], some[2]}));

  scratch.write(bytes_of(some, 'x'));
  StateFile others(scratch.file(), key_of('k'));
  CHECK(others.load().empty());
  others.append(some[2]);
  CHECK(scratch.text() == bytes_of({some[2]}));
}

TEST_CASE("a state that cannot be read is an error, not an empty one", "[statefile]") {
  StateFile state("/proc/self/mem/1", key_of('k'));
  CHECK_THROWS_AS(state.load(), TempError);
  CHECK_THROWS_AS(state.append(some[0]), TempError);
}
