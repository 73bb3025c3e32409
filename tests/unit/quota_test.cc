// Quotas: the words of maildirsize, counting a Maildir, and the file between programs.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <filesystem>
#include <string>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/mail/quota_warning.h"
#include "lib/mail/utf8.h"
#include "lib/store/contract_use.h"
#include "lib/store/mailbox_quota.h"
#include "lib/store/maildir.h"
#include "lib/store/maildirsize.h"
#include "lib/store/quota.h"
#include "tests/catch.h"
#include "tests/scratch_directory.h"

using namespace hato;
using namespace hato::test;

namespace {

constexpr std::uint64_t plenty = 1'000'000;

// A Maildir that was left alone for a while, so that one look is enough to be certain.
class Maildir {
 public:
  Maildir() {
    make_maildir(path_);
    fd_ = open_file(path_, O_RDONLY | O_DIRECTORY);
  }
  int fd() const { return fd_.get(); }
  std::string at(const std::string& name) const { return path_ + "/" + name; }
  void put(const std::string& name, const std::string& text = "") const {
    write_all(open_file(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0600).get(), text, name);
  }
  void folder(const std::string& name) const { make_maildir(at(name)); }
  std::optional<std::string> size_file() const { return read_file(at(maildirsize_name), 1 << 20); }
  void age(const std::string& name, std::int64_t seconds) const {
    const timespec times[] = {{now_seconds() - seconds, 0}, {now_seconds() - seconds, 0}};
    REQUIRE(utimensat(AT_FDCWD, at(name).c_str(), times, 0) == 0);
  }

 private:
  ScratchDirectory scratch_;
  std::string path_ = scratch_.file("Maildir");
  Fd fd_;
};

}  // namespace

TEST_CASE("Maildir++: a quota's text") {
  struct Row {
    const char* text;
    std::optional<Quota> quota;
    const char* source;
  };
  const Row rows[] = {
      {"10000000S,100C", Quota{10000000, 100}, "Maildir++"},
      {"100C,10000000S", Quota{10000000, 100}, "in any order"},
      {"5S", Quota{5, 0}, "bytes only"},
      {"7C", Quota{0, 7}, "messages only"},
      {"", Quota{}, "Courier: no quota"},
      {"0S", Quota{}, "Dovecot: no quota"},
      {"99999999999999999999S", Quota{quota_most, 0}, "more than there is"},
      {"18446744073709551615S", Quota{quota_most, 0}, "more than a signed number"},
      {"-5S", std::nullopt, "negative"},
      {"+5S", std::nullopt, "a sign"},
      {"5S,", std::nullopt, "nothing behind the comma"},
      {",5S", std::nullopt, "nothing before it"},
      {"5S,6S", std::nullopt, "twice"},
      {"5", std::nullopt, "of what?"},
      {"S", std::nullopt, "how much?"},
      {"5X", std::nullopt, "of what?"},
      {"5 S", std::nullopt, "a blank"},
      {"5S 7C", std::nullopt, "no comma"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text, row.source);
    CHECK(parse_quota(row.text) == row.quota);
    if (row.quota) CHECK(parse_quota(quota_text(*row.quota)) == row.quota);
  }
  CHECK(quota_text({}) == "0S");
  CHECK(quota_text({0, 7}) == "7C");
  CHECK(quota_text({5, 7}) == "5S,7C");
}

TEST_CASE("Quotas: what fits") {
  CHECK(Quota{}.allows({quota_most, quota_most}));
  CHECK(Quota{100, 0}.allows({100, 5}));
  CHECK_FALSE(Quota{100, 0}.allows({101, 5}));
  CHECK(Quota{0, 5}.allows({quota_most, 5}));
  CHECK_FALSE(Quota{0, 5}.allows({0, 6}));
  CHECK_FALSE(Quota{100, 5}.allows({0, 6}));
  CHECK_FALSE(Quota{100, 0}.reached({89, 0}, 90));
  CHECK(Quota{100, 0}.reached({90, 0}, 90));
  CHECK(Quota{0, 10}.reached({0, 9}, 90));
  CHECK(Quota{quota_most, 0}.reached({quota_most, 0}, 100));
  CHECK_FALSE(Quota{quota_most, 0}.reached({quota_most / 2, 0}, 90));
  CHECK_FALSE(Quota{}.reached({quota_most, 1}, 90));
  CHECK(QuotaUse{quota_most, 1} + QuotaUse{quota_most, 1} == QuotaUse{quota_most, 2});
  CHECK(QuotaUse{ULLONG_MAX, 1} + QuotaUse{1, 1} == QuotaUse{quota_most, 2});
  CHECK(least_stored_size(0) == 1);  // nothing is known
  CHECK(least_stored_size(2) == 1);  // an empty line
  CHECK(least_stored_size(5) == 3);
}

TEST_CASE("maildirsize: what can be read") {
  struct Row {
    std::string text;
    std::optional<QuotaUse> use;
    unsigned lines;
    const char* source;
  };
  const std::string head = "1000S,10C\n";
  const Row rows[] = {
      {head + "123 2\n", QuotaUse{123, 2}, 1, "Maildir++"},
      {head + "123 2\n-100 -1\n7 1\n", QuotaUse{30, 2}, 3, "lines are added up"},
      {head + "        123            2\n", QuotaUse{123, 2}, 1, "padded, as some write it"},
      {head + "0 0\n", QuotaUse{}, 1, "an empty Maildir"},
      {head + "123 2 \r\n", QuotaUse{123, 2}, 1, "blanks behind"},
      {head, std::nullopt, 0, "nobody has counted"},
      {"", std::nullopt, 0, "an empty file"},
      {"1000S,10C", std::nullopt, 0, "no end of the line"},
      {head + "123 2\n12", std::nullopt, 0, "cut off: the next line would join it"},
      {head + "123 2\n-200 -1\n", std::nullopt, 0, "less than nothing"},
      {head + "123 2\n0 -3\n", std::nullopt, 0, "fewer than none"},
      {head + "9223372036854775807 1\n1 1\n", std::nullopt, 0, "an overflow"},
      {head + "-9223372036854775808 0\n-1 0\n", std::nullopt, 0, "an overflow downwards"},
      {head + "99999999999999999999 1\n", std::nullopt, 0, "no number of ours"},
      {head + "123\n", std::nullopt, 0, "one number"},
      {head + "123 2 3\n", std::nullopt, 0, "three"},
      {head + "123 2x\n", std::nullopt, 0, "a letter"},
      {head + "\n", std::nullopt, 0, "an empty line"},
      {head + std::string("123 \0 2\n", 8), std::nullopt, 0, "a NUL"},
      {"hello\n123 2\n", std::nullopt, 0, "no quota"},
      {head + std::string(maildirsize_limit, ' ') + "\n", std::nullopt, 0, "over 5120 bytes"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text, row.source);
    const std::optional<Maildirsize> said = parse_maildirsize(row.text);
    CHECK(said.has_value() == row.use.has_value());
    if (!said || !row.use) continue;
    CHECK(said->use == *row.use);
    CHECK(said->lines == row.lines);
    CHECK(said->quota == Quota{1000, 10});
  }
  CHECK(maildirsize_text({1000, 10}, {123, 2}) == head + "123 2\n");
  CHECK(maildirsize_line(-5, -1) == "-5 -1\n");
}

TEST_CASE("maildirsize: what is believed") {
  const Quota quota{1000, 0};
  const Maildirsize half{quota, {500, 1}, 7}, full{quota, {990, 2}, 1}, grown{quota, {990, 2}, 2};
  CHECK(believable(half, 1'000'000, quota, {100, 1}));
  CHECK_FALSE(believable(half, 0, {2000, 0}, {100, 1}));  // another quota
  CHECK(believable(full, 0, quota, {10, 1}));             // just fits
  CHECK(believable(full, 15 * 60, quota, {11, 1}));       // full, counted a moment ago
  CHECK_FALSE(believable(full, 15 * 60 + 1, quota, {11, 1}));
  CHECK_FALSE(believable(full, -1, quota, {11, 1}));
  CHECK_FALSE(believable(grown, 0, quota, {11, 1}));  // full, but not counted in one go
}

TEST_CASE("A Maildir is counted") {
  const Maildir maildir;
  maildir.put("new/1.1.h,S=100", "short");      // what the name says
  maildir.put("cur/2.1.h:2,S", "eleven byte");  // what the file has
  maildir.put("cur/3.1.h,S=5,W=6:2,ST", "12345");
  maildir.put("cur/4.1.h,S=x:2,", "123");  // no size: the file's
  maildir.put("new/.hidden", "hidden");
  maildir.put("tmp/5.1.h,S=1000", "");
  REQUIRE(mkdir(maildir.at("cur/directory").c_str(), 0700) == 0);
  REQUIRE(symlink("/etc/passwd", maildir.at("cur/link").c_str()) == 0);
  maildir.folder(".Sent");
  maildir.put(".Sent/cur/1.1.h,S=1000:2,S", "");
  maildir.folder(".Trash");
  maildir.put(".Trash/cur/1.1.h,S=20000:2,S", "");
  maildir.folder("elsewhere");
  maildir.put("elsewhere/cur/1.1.h,S=300000:2,S", "");
  REQUIRE(symlink("elsewhere", maildir.at(".Link").c_str()) == 0);
  REQUIRE(mkdir(maildir.at(".empty").c_str(), 0700) == 0);

  const QuotaUse all{100 + 11 + 5 + 3 + 1000 + 20000, 6}, part{100 + 11 + 3 + 1000, 4};
  CHECK(count_maildir(maildir.fd(), Trash::counted, plenty) == all);
  CHECK(count_maildir(maildir.fd(), Trash::excluded, plenty) == part);
  CHECK(count_maildir(maildir.fd(), Trash::counted, plenty) == all);  // from the start again
  const std::optional<MaildirCount> careful = count_maildir_carefully(maildir.fd(), Trash::counted, plenty);
  REQUIRE(careful);
  CHECK(careful->certain);
  CHECK(careful->use == all);
  CHECK(maildir_stamps(maildir.fd(), Trash::counted, plenty) == careful->stamps);
  maildir.put(".Sent/new/9.1.h,S=1");
  CHECK(maildir_stamps(maildir.fd(), Trash::counted, plenty) != careful->stamps);
  CHECK_FALSE(count_maildir(maildir.fd(), Trash::counted, 10));
  CHECK_FALSE(count_maildir_carefully(maildir.fd(), Trash::counted, 10));
  CHECK_FALSE(maildir_stamps(maildir.fd(), Trash::counted, 3));
}

TEST_CASE("Flags: what is trash") {
  CHECK(counts_as_message("1.1.h:2,ST", Trash::counted));
  CHECK_FALSE(counts_as_message("1.1.h:2,ST", Trash::excluded));
  CHECK(counts_as_message("1.T.h,S=4:2,S", Trash::excluded));
  CHECK(counts_as_message("1.T.h", Trash::excluded));
  CHECK_FALSE(counts_as_message(".x", Trash::counted));
  CHECK_FALSE(counts_as_message("", Trash::counted));
}

TEST_CASE("maildirsize: who asks writes nothing and trusts nothing") {
  const Maildir maildir;
  const Quota quota{1000, 0};
  maildir.put("new/1.1.h,S=100");
  const auto use = [&] { return mailbox_use(maildir.fd(), quota, {10, 1}, Trash::counted, plenty); };
  const QuotaUse counted{100, 1};
  CHECK(use() == counted);
  CHECK_FALSE(maildir.size_file());
  SECTION("what the file says counts") {
    maildir.put(maildirsize_name, "1000S\n300 2\n-50 -1\n");
    CHECK(use() == QuotaUse{250, 1});
  }
  SECTION("a quota that was changed") {
    maildir.put(maildirsize_name, "2000S\n300 2\n");
    CHECK(use() == counted);
  }
  SECTION("full since longer than a quarter of an hour") {
    maildir.put(maildirsize_name, "1000S\n1000 2\n");
    CHECK(use() == QuotaUse{1000, 2});
    maildir.age(maildirsize_name, 1000);
    CHECK(use() == counted);
  }
  SECTION("too large, by far") {
    maildir.put(maildirsize_name, "1000S\n300 2\n");
    REQUIRE(truncate(maildir.at(maildirsize_name).c_str(), off_t{1} << 40) == 0);
    CHECK(use() == counted);
  }
  SECTION("a link") {
    maildir.put("other", "1000S\n0 0\n");
    REQUIRE(symlink("other", maildir.at(maildirsize_name).c_str()) == 0);
    CHECK(use() == counted);
  }
  SECTION("a FIFO") {
    REQUIRE(mkfifo(maildir.at(maildirsize_name).c_str(), 0600) == 0);
    CHECK(use() == counted);
  }
  SECTION("a directory") {
    REQUIRE(mkdir(maildir.at(maildirsize_name).c_str(), 0700) == 0);
    CHECK(use() == counted);
  }
  SECTION("more than it wants to count") {
    CHECK_FALSE(mailbox_use(maildir.fd(), quota, {10, 1}, Trash::counted, 1));
  }
}

TEST_CASE("maildirsize: a delivery counts when it must, and then no more") {
  const Maildir maildir;
  const Quota quota{1000, 10};
  const auto use = [&](std::uint64_t coming) {
    return mailbox_use_for_delivery(maildir.fd(), quota, {coming, 1}, Trash::counted);
  };
  maildir.put("new/1.1.h,S=100");
  CHECK(use(10) == QuotaUse{100, 1});
  CHECK(maildir.size_file() == "1000S,10C\n100 1\n");
  maildir.put("new/2.1.h,S=800");  // by somebody who keeps no maildirsize
  CHECK(use(10) == QuotaUse{100, 1});
  maildir.put(maildirsize_name, "1000S,10C\n100 1\n880 1\n");
  CHECK(use(100) == QuotaUse{900, 2});  // it would be full: counted before that is said
  CHECK(maildir.size_file() == "1000S,10C\n900 2\n");
  for (const char* wrong : {"10S\n100 1\n", "1000S,10C\n100 1", "\n", "1000S,10C\n-1 1\n"}) {
    CAPTURE(wrong);
    maildir.put(maildirsize_name, wrong);
    CHECK(use(10) == QuotaUse{900, 2});
    CHECK(maildir.size_file() == "1000S,10C\n900 2\n");
  }
  SECTION("a link or a FIFO is replaced, not written to") {
    maildir.put("other", "mine");
    REQUIRE(unlink(maildir.at(maildirsize_name).c_str()) == 0);
    SECTION("link") {
      REQUIRE(symlink("other", maildir.at(maildirsize_name).c_str()) == 0);
    }
    SECTION("FIFO") {
      REQUIRE(mkfifo(maildir.at(maildirsize_name).c_str(), 0600) == 0);
    }
    CHECK(use(10) == QuotaUse{900, 2});
    CHECK(maildir.size_file() == "1000S,10C\n900 2\n");
    CHECK(read_file(maildir.at("other"), 100) == "mine");
  }
  SECTION("what cannot be replaced is lived with") {
    REQUIRE(unlink(maildir.at(maildirsize_name).c_str()) == 0);
    REQUIRE(mkdir(maildir.at(maildirsize_name).c_str(), 0700) == 0);
    CHECK(use(10) == QuotaUse{900, 2});
    MaildirsizeEnd(maildir.fd()).changed(1, 1);
    CHECK(std::filesystem::is_empty(maildir.at("tmp")));
  }
}

TEST_CASE("maildirsize: what was changed is appended, or the file goes") {
  const Maildir maildir;
  const std::string path = maildir.at(maildirsize_name);
  SECTION("no file: none is made") {
    MaildirsizeEnd(maildir.fd()).changed(5, 1);
    CHECK_FALSE(maildir.size_file());
  }
  SECTION("appended") {
    maildir.put(maildirsize_name, "9S\n1 1\n");
    MaildirsizeEnd end(maildir.fd());
    end.changed(5, 1);
    end.changed(0, 0);
    end.changed(-6, -2);
    CHECK(maildir.size_file() == "9S\n1 1\n5 1\n-6 -2\n");
  }
  SECTION("another file came in its place: who knows what that counts") {
    maildir.put(maildirsize_name, "9S\n1 1\n");
    MaildirsizeEnd end(maildir.fd());
    maildir.put("tmp/x", "9S\n2 2\n");
    REQUIRE(rename(maildir.at("tmp/x").c_str(), path.c_str()) == 0);
    end.changed(5, 1);
    CHECK_FALSE(maildir.size_file());
  }
  SECTION("one came where none was") {
    MaildirsizeEnd end(maildir.fd());
    maildir.put(maildirsize_name, "9S\n2 2\n");
    end.changed(5, 1);
    CHECK_FALSE(maildir.size_file());
  }
  SECTION("it was removed: the next one counts") {
    maildir.put(maildirsize_name, "9S\n1 1\n");
    MaildirsizeEnd end(maildir.fd());
    REQUIRE(unlink(path.c_str()) == 0);
    end.changed(5, 1);
    CHECK_FALSE(maildir.size_file());
  }
  SECTION("a link leads nowhere") {
    maildir.put("other", "mine");
    REQUIRE(symlink("other", path.c_str()) == 0);
    MaildirsizeEnd(maildir.fd()).changed(5, 1);
    CHECK(read_file(maildir.at("other"), 100) == "mine");
    CHECK(access(path.c_str(), F_OK) != 0);
  }
}

TEST_CASE("A contract's use") {
  const ContractUse use{.bytes = 900, .limit = 2000, .measured = 1'700'000'000, .uncountable = true};
  CHECK(parse_contract_use(encode_contract_use(use)) == use);
  CHECK(parse_contract_use("bytes=5\nmeasured=7\n") == ContractUse{.bytes = 5, .measured = 7});
  for (const char* wrong : {"", "bytes=5\n", "measured=7\n", "bytes=-5\nmeasured=7\n", "bytes=5\nmeasured=7",
                            "bytes=5\nmeasured=9223372036854775808\n"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_contract_use(wrong));
  }
  Contract contract;
  contract.quota_bytes = 1000;
  const auto fits = [&](ContractUse is, std::uint64_t coming, std::int64_t age = 0) {
    is.measured = 1'700'000'000;
    return contract_allows(contract, is, coming, is.measured + age);
  };
  CHECK(fits({.bytes = 900}, 100));
  CHECK_FALSE(fits({.bytes = 900}, 101));
  CHECK_FALSE(fits({.bytes = 1001}, 0));
  CHECK_FALSE(fits({.bytes = 900}, UINT64_MAX));
  CHECK_FALSE(fits({.bytes = 900, .limit = 5000}, 101));  // the contract's own counts
  CHECK_FALSE(fits({.bytes = 0, .uncountable = true}, 1));
  CHECK_FALSE(fits({.bytes = 900}, 101, contract_use_seconds));
  CHECK(fits({.bytes = 900}, 101, contract_use_seconds + 1));
  contract.quota_bytes = 0;
  CHECK(fits({.bytes = 900}, 101));  // no limit at all
  CHECK_FALSE(fits({.bytes = 900, .limit = 1000}, 101));
}

TEST_CASE("The warning of a nearly full mailbox") {
  const QuotaWarning warning{.host = "mail.example",
                             .to = "abc@mail.example",
                             .date = 1'700'000'000,
                             .id = "17",
                             .bytes_used = 9'450'000,
                             .bytes_limit = 10'000'000,
                             .messages_used = 5};
  const std::string both = quota_warning_message(warning, {}, "");
  CHECK(both.starts_with(
      "Date: 14 Nov 2023 22:13:20 -0000\nFrom: postmaster@mail.example\nTo: abc@mail.example\n"
      "Subject: =?"));
  CHECK(both.find(
            "\nMessage-ID: <17.quota@mail.example>\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n") !=
        std::string::npos);
  CHECK(both.find("Content-Transfer-Encoding: quoted-printable\n\n") != std::string::npos);
  CHECK(is_ascii(both));
  const std::string english = quota_warning_message(warning, {"xx", "en"}, "");
  CHECK(english.find("\nSubject: your mailbox is nearly full\n") != std::string::npos);
  CHECK(english.find("has reached 94% of what") != std::string::npos);
  CHECK(english.find("    Used: 9.4 MB of 10.0 MB\n    Messages: 5 of -\n") != std::string::npos);
  const std::string own =
      quota_warning_message(warning, {"en"}, "Subject: {used}\n\n{nothing} {address} {percent}\n");
  CHECK(own.find("\nSubject: 9.4 MB\n") != std::string::npos);
  CHECK(own.ends_with("\n\n{nothing} abc@mail.example 94\n"));
  CHECK(quota_warning_message(warning, {"en"}, "\xff") == english);  // not UTF-8
  CHECK(quota_warning_message(warning, {"en"}, "Only text\n").find("\nSubject: your mailbox") !=
        std::string::npos);
  QuotaWarning hostile = warning;
  hostile.to = "a\nBcc: x@y@z";
  CHECK(quota_warning_message(hostile, {"en"}, "").find("\nBcc:") == std::string::npos);
}
