// What becomes of exit codes and output of qmail-local, qmail-getpw and qmail-remote
// (qmail-send/delivery_report.h).
#include "qmail-send/delivery_report.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;

namespace {

constexpr int exited(int code) {
  return code << 8;
}
constexpr int killed = 9;

std::string told(const Verdict& verdict) {
  return verdict.status + verdict.text;
}

}  // namespace

TEST_CASE("report: exit codes of qmail-local", "[delivery_report]") {
  // qmail-local(8): 0, 100, 111; qmail-command(8): what a program in its place may use
  for (const int code : {71, 74, 75, 111}) CHECK(told(digest_local(exited(code), "later\n")) == "Zlater\n");
  for (const int code : {1, 2, 64, 70, 99, 100, 255})
    CHECK(told(digest_local(exited(code), "no\n")) == "Dno\n");
  CHECK(told(digest_local(exited(0), "did 1+0+0\n")) == "Kdid 1+0+0\n");
  CHECK(told(digest_local(exited(0), "a\0b"s)) == "Ka");
  CHECK(told(digest_local(exited(0), "")) == "K");
  CHECK(told(digest_local(killed, "x")) == "Zqmail-local crashed.\n");
  CHECK(told(digest_local(killed | 0x80, "x")) == "Zqmail-local crashed.\n");  // with a core
  for (int code = 112; code <= 121; ++code)
    if (code != 114) CHECK(digest_local(exited(code), "x").status == 'Z');
  for (const int code : {126, 127})
    CHECK(told(digest_local(exited(code), "")) == "ZUnable to run qmail-local.\n");
}

TEST_CASE("report: qmail-getpw never bounces anything", "[delivery_report]") {
  for (int code = 1; code < 256; ++code) CHECK(digest_getpw_failure(exited(code)).status == 'Z');
  CHECK(told(digest_getpw_failure(exited(116))) == "ZUnable to find alias user!\n");
  CHECK(told(digest_getpw_failure(killed)) == "Zqmail-getpw crashed. (#4.3.0)\n");
}

TEST_CASE("report: qmail-remote's recipient and message reports", "[delivery_report]") {
  struct Row {
    std::string output, report;
  };
  for (const Row& row : std::vector<Row>{
           // qmail-remote(8), RESULTS: r accepted, h refused for good, s for now; K, Z, D for the message
           {"r\0K1.2.3.4 accepted message.\n\0"s, "K1.2.3.4 accepted message.\n"},
           {"r\0Zconnection died\n\0"s, "Zconnection died\n"},
           {"r\0Drefused\n\0"s, "Drefused\n"},
           {"hno such user\n\0Kaccepted\n\0"s, "Dno such user\n"},
           {"sbusy\n\0Kaccepted\n\0"s, "Zbusy\n"},
           // all refused: the message's report repeats it in other words
           {"hno such user\n\0DGiving up.\n\0"s, "Dno such user\nGiving up.\n"},
           {"hno such user\n\0ZGiving up.\n\0"s, "Dno such user\n"},
           {"sbusy\n\0DGiving up.\n\0"s, "Zbusy\nGiving up.\n"},
           {"sbusy\n\0ZGiving up.\n\0"s, "Zbusy\nGiving up.\n"},
           // no recipient report: it never came so far
           {"ZConnected but greeting failed.\n\0"s, "ZConnected but greeting failed.\n"},
           {"DCannot find host.\n\0"s, "DCannot find host.\n"},
           // reports of further recipients are passed over
           {"r\0hother\0Kyes\n\0"s, "Kyes\n"},
           {"r\0\0Kyes\n\0"s, "Kyes\n"},
       }) {
    CAPTURE(row.output);
    CHECK(told(digest_remote(exited(0), row.output)) == row.report);
  }
}

TEST_CASE("report: qmail-remote failing is a deferral", "[delivery_report]") {
  CHECK(told(digest_remote(killed, "r\0Kyes\0"s)) == "Zqmail-remote crashed.\n");
  CHECK(told(digest_remote(exited(111), "")) == "ZUnable to run qmail-remote.\n");
  CHECK(told(digest_remote(exited(100), "")) == "DUnable to run qmail-remote.\n");
  CHECK(told(digest_remote(exited(0), "")) == "Zqmail-remote produced no output.\n");
  for (const std::string& cut : {"r\0"s, "r"s, "r\0Kno end"s, "\0\0"s, "noise"s, "h\0"s, "K no end"s})
    CHECK(digest_remote(exited(0), cut).status == 'Z');
}

TEST_CASE("report: addresses are split at the last at sign", "[delivery_report]") {
  std::string local, domain;
  CHECK(split_address("a@b@c", local, domain));
  CHECK(local == "a@b");
  CHECK(domain == "c");
  CHECK_FALSE(split_address("abc", local, domain));
}
