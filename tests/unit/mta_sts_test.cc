// MTA-STS: records, policies, patterns (RFC 8461); HTTP responses (RFC 9112); the cache's files; the socket's
// answers.
#include "lib/net/mta_sts.h"

#include "lib/net/http_response.h"
#include "remote/policy_cache.h"
#include "remote/policy_fetch.h"
#include "remote/sts_question.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;
using Texts = std::vector<std::string>;

TEST_CASE("mta-sts: the record and its id", "[mtasts]") {
  const std::string longest(32, 'a');
  struct Row {
    Texts records;
    const char* id;  // null: no policy
  };
  const Row rows[] = {
      {{"v=STSv1; id=20160831085700Z;"}, "20160831085700Z"},  // section 3.1
      {{"v=STSv1;id=1"}, "1"},
      {{"v=STSv1 ; id=1 ; "}, "1"},
      {{"v=STSv1; id=1; id=2;"}, "1"},  // the first one counts
      {{"v=STSv1; x-new=any:thing; id=1"}, "1"},
      {{"v=spf1 -all", "v=STSv1; id=1;", ""}, "1"},
      {{"v=STSv1; id=" + longest}, longest.c_str()},
      {{"v=STSv1; id=" + longest + "a"}, nullptr},
      {{"v=STSv1; id=1;", "v=STSv1; id=1;"}, nullptr},  // two
      {{"v=STSv1; id=a-b;"}, nullptr},
      {{"v=STSv1; id=;"}, nullptr},
      {{"v=STSv1; ID=1;"}, nullptr},
      {{"v=STSv1; id=1; rubbish"}, nullptr},
      {{"v=STSv1; id=1; a=b=c"}, nullptr},
      {{"v=STSv1; ; id=1"}, nullptr},
      {{"v=STSv1;"}, nullptr},
      {{"v=STSv1"}, nullptr},
      {{"v=STSv10; id=1;"}, nullptr},
      {{"v=stsv1; id=1;"}, nullptr},
      {{" v=STSv1; id=1;"}, nullptr},
      {{}, nullptr},
  };
  for (const Row& row : rows) {
    CAPTURE(row.records);
    const std::optional<std::string> id = sts_policy_id(row.records);
    CHECK(id.has_value() == (row.id != nullptr));
    if (id && row.id != nullptr) CHECK(*id == row.id);
  }
}

TEST_CASE("mta-sts: policies that count", "[mtasts]") {
  struct Row {
    std::string text;
    StsPolicy policy;
  };
  const Row rows[] = {
      // section 3.2
      {"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: "
       "backupmx.example.com\r\n"
       "max_age: 604800\r\n",
       {StsMode::enforce, 604800, {"mail.example.com", "*.example.net", "backupmx.example.com"}}},
      {"version: STSv1\nmode: testing\nmx:MX.Example.\nmax_age:0", {StsMode::testing, 0, {"mx.example"}}},
      {"version: STSv1\nmode: none\nmax_age: 86400\n", {StsMode::none, 86400, {}}},
      {"max_age: 1 \nmx: a.b\t\nmode: enforce  \nversion:   STSv1\n\n", {StsMode::enforce, 1, {"a.b"}}},
      {"version: STSv1\nversion: STSv2\nmode: testing\nmode: enforce\nmx: a.b\nmax_age: 5\nmax_age: x\n",
       {StsMode::testing, 5, {"a.b"}}},
      {"version: STSv1\nmode: testing\nmx: a.b\nmax_age: 9999999999\n",
       {StsMode::testing, max_sts_age, {"a.b"}}},
      {"version: STSv1\nmode: testing\nx-new.field_1: \xc3\xbc anything: at all\nmx: a.b\nmax_age: 5\n",
       {StsMode::testing, 5, {"a.b"}}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const std::optional<StsPolicy> policy = parse_sts_policy(row.text);
    REQUIRE(policy);
    CHECK(*policy == row.policy);
  }
}

TEST_CASE("mta-sts: policies that do not", "[mtasts]") {
  const std::string good = "version: STSv1\nmode: enforce\nmx: a.b\nmax_age: 5\n";
  REQUIRE(parse_sts_policy(good));
  const auto with = [&](const std::string& old, const std::string& fresh) {
    std::string text = good;
    return text.replace(text.find(old), old.size(), fresh);
  };
  std::string many = good;
  for (std::size_t i = 1; i < max_sts_patterns; ++i) many += "mx: a.b\n";
  CHECK(parse_sts_policy(many));
  const std::string rows[] = {
      "",
      with("version: STSv1\n", ""),
      with("STSv1", "STSv2"),
      with("mode: enforce\n", ""),
      with("enforce", "Enforce"),
      with("enforce", "report"),
      with("mx: a.b\n", ""),
      with("a.b", ""),
      with("a.b", "*."),
      with("a.b", "*"),
      with("a.b", "a.*.b"),
      with("a.b", "a..b"),
      with("a.b", "[192.0.2.1]"),
      with("a.b", "a b"),
      with("a.b", "\xc3\xbc.b"),  // U-labels have no place here
      with("max_age: 5\n", ""),
      with("5", "-5"),
      with("5", "+5"),
      with("5", "5s"),
      with("5", "12345678901"),
      with("mode:", "mode"),
      with("mode:", "mo de:"),
      with("mode:", " :"),
      good + "<html>\n",
      good + "x: a\x01\n",
      good + "x: "s + std::string(1, '\0') + "\n",
      good + std::string(max_sts_policy, '\n'),
      many + "mx: a.b\n",
  };
  for (const std::string& text : rows) {
    CAPTURE(text);
    CHECK_FALSE(parse_sts_policy(text));
  }
}

TEST_CASE("mta-sts: patterns of mail exchangers", "[mtasts]") {
  StsPolicy policy;
  policy.mx = {"mail.example.com", "*.example.net"};
  for (const char* host : {"mail.example.com", "MAIL.example.COM.", "mx.example.net", "a-b.example.net"})
    CHECK(policy.allows(host));
  for (const char* host : {"example.com", "a.mail.example.com", "example.net", "a.b.example.net",
                           "mxexample.net", "", ".example.net", "mail.example.com.evil", "192.0.2.1"})
    CHECK_FALSE(policy.allows(host));
}

namespace {

struct Response {
  HttpResponse::State state;
  int status;
  std::string type, body, problem;
};

// In one piece, and again byte by byte.
Response responded(const std::string& bytes, std::size_t limit = 100) {
  HttpResponse whole(limit), bits(limit);
  whole.feed(bytes);
  for (const char& c : bytes) bits.feed({&c, 1});
  CHECK(whole.state() == bits.state());
  CHECK(whole.body() == bits.body());
  CHECK(whole.problem() == bits.problem());
  return {whole.state(), whole.status(), whole.content_type(), whole.body(), whole.problem()};
}

}  // namespace

TEST_CASE("http: responses", "[http]") {
  using State = HttpResponse::State;
  const Response plain = responded(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\nabcd");
  CHECK(plain.state == State::done);
  CHECK(plain.status == 200);
  CHECK(plain.type == "text/plain; charset=utf-8");
  CHECK(plain.body == "abc");

  const Response chunked = responded(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
      "Chunked\r\n\r\n3\r\nabc\r\n00A;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n");
  CHECK(chunked.state == State::done);
  CHECK(chunked.body == "abc0123456789");

  const Response interim =
      responded("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 404\r\ncontent-length:0\r\n\r\n");
  CHECK(interim.state == State::done);
  CHECK(interim.status == 404);

  const std::string ok = "HTTP/1.1 200 OK\r\n";
  for (const std::string& unfinished : {""s, "HTTP/1"s, ok, ok + "Content-Length: 2\r\n\r\na",
                                        ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
                                        ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n"}) {
    CAPTURE(unfinished);
    CHECK(responded(unfinished).state == State::more);
  }

  const std::pair<std::string, const char*> broken[] = {
      {"220 mx.test ESMTP\r\n", "it does not speak HTTP/1.1"},
      {"HTTP/2 200\r\n", "it does not speak HTTP/1.1"},
      {"HTTP/1.1 20x OK\r\n", "it does not speak HTTP/1.1"},
      {"HTTP/1.1 2000 OK\r\n", "it does not speak HTTP/1.1"},
      {"HTTP/1.1 099 OK\r\n", "it does not speak HTTP/1.1"},
      {ok + "\r\n", "it does not say how long it is"},
      {ok + "no colon\r\n", "its header is broken"},
      {ok + "a : b\r\n", "its header is broken"},
      {ok + "a: b\r\n c\r\n", "its header is broken"},
      {ok + "Content-Length: 1, 1\r\n", "its Content-Length is no number"},
      {ok + "Content-Length: -1\r\n", "its Content-Length is no number"},
      {ok + "Content-Length: 1\r\nContent-Length: 2\r\n", "its Content-Length is no number"},
      {ok + "Content-Length: 99999999999999999999\r\n", "its Content-Length is no number"},
      {ok + "Content-Length: 101\r\n\r\n", "its body is larger than 100 octets"},
      {ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       "it has a Content-Length and is chunked"},
      {ok + "Transfer-Encoding: gzip, chunked\r\n", "its Transfer-Encoding is not chunked"},
      {ok + "Content-Encoding: gzip\r\n", "it is compressed"},
      {ok + "Content-Type: a\r\nContent-Type: b\r\n", "it has two Content-Types"},
      {ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "its chunks have no length"},
      {ok + "Transfer-Encoding: chunked\r\n\r\n\r\n", "its chunks have no length"},
      {ok + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", "its chunks have no length"},
      {ok + "Transfer-Encoding: chunked\r\n\r\n65\r\n", "its body is larger than 100 octets"},
      {ok + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n", "its body is larger than 100 octets"},
      {ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
       "its chunks do not have the length that they say"},
      {ok + "X: " + std::string(max_http_line, 'x') + "\r\n", "its header is too large"},
  };
  for (const auto& [bytes, problem] : broken) {
    CAPTURE(bytes);
    const Response response = responded(bytes);
    CHECK(response.state == State::failed);
    CHECK(response.problem == problem);
  }
  std::string endless = ok;
  while (endless.size() <= max_http_head) endless += "X: y\r\n";
  CHECK(responded(endless).problem == "its header is too large");
  std::string hints;
  while (hints.size() <= max_http_head) hints += "HTTP/1.1 103\r\n\r\n";
  CHECK(responded(hints).problem == "its header is too large");
}

TEST_CASE("mta-sts: files of the cache", "[mtasts]") {
  const std::string policy = "version: STSv1\nmode: enforce\nmx: a.b\nmax_age: 1000\n";
  const std::optional<CachedPolicy> cached = CachedPolicy::parse("hato-mtasts 1 id1 1700000000\n" + policy);
  REQUIRE(cached);
  CHECK(cached->id == "id1");
  CHECK(cached->fetched == 1700000000);
  CHECK(cached->policy.mode == StsMode::enforce);
  CHECK(cached->fresh(1700000999));
  CHECK_FALSE(cached->fresh(1700001000));
  CHECK_FALSE(cached->old(1700000499));
  CHECK(cached->old(1700000500));
  for (const std::string& damaged : {""s, policy, "hato-mtasts 2 id1 1700000000\n" + policy,
                                     "hato-mtasts 1 id1\n" + policy, "hato-mtasts 1  1700000000\n" + policy,
                                     "hato-mtasts 1 id1 17x\n" + policy, "hato-mtasts 1 id1 -5\n" + policy,
                                     "hato-mtasts 1 id1 1700000000\n"s, "hato-mtasts 1 id1 1700000000"s}) {
    CAPTURE(damaged);
    CHECK_FALSE(CachedPolicy::parse(damaged));
  }
}

TEST_CASE("mta-sts: questions, answers and findings", "[mtasts]") {
  for (const char* domain : {"example.org", "a_b.example", "xn--bcher-kva.example", "1.2"})
    CHECK(is_sts_domain(domain));
  const std::string long_name = std::string(60, 'a') + "." + std::string(60, 'b') + "." +
                                std::string(60, 'c') + "." + std::string(60, 'd');
  for (const std::string& domain : {""s, "localhost"s, ".example"s, "a..b"s, "a.b."s, "Example.org"s, "../x"s,
                                    "a/b.c"s, "a b.c"s, "[1.2.3.4]"s, "b\xc3\xbc.org"s, long_name}) {
    CAPTURE(domain);
    CHECK_FALSE(is_sts_domain(domain));
  }

  const StsPolicy policy{StsMode::enforce, 0, {"a.b", "*.c.d"}};
  CHECK(sts_answer(policy) == "enforce\na.b\n*.c.d\n");
  CHECK(parse_sts_answer(sts_answer(policy)) == policy);
  CHECK(parse_sts_answer("none\n") == StsPolicy());
  for (const char* wrong : {"enforce\n", "enforce\na.b", "x\n", "\n"}) CHECK_FALSE(parse_sts_answer(wrong));

  const auto asked = PolicyQuestion::parse(PolicyQuestion{"a.b", "id", true}.packet());
  REQUIRE(asked);
  CHECK(asked->domain == "a.b");
  CHECK(asked->known_id == "id");
  CHECK(asked->again);
  CHECK_FALSE(PolicyQuestion::parse("../x\n\n\n"));

  PolicyFinding found;
  found.what = PolicyFinding::What::fetched;
  found.id = "7";
  found.text = "version: STSv1\nmode: none\nmax_age: 1000\n";
  const auto back = PolicyFinding::parse(found.packet());
  REQUIRE(back);
  CHECK(back->what == PolicyFinding::What::fetched);
  CHECK(back->id == "7");
  CHECK(back->text == found.text);
  const std::string packet = found.packet();
  CHECK_FALSE(PolicyFinding::parse(packet.substr(0, packet.size() - 1)));  // the fetch died
  CHECK_FALSE(PolicyFinding::parse(""));
  found.id = "7 0\nx";
  CHECK_FALSE(PolicyFinding::parse(found.packet()));
  found.id = "7";
  found.text = "<html>";
  CHECK_FALSE(PolicyFinding::parse(found.packet()));
}
