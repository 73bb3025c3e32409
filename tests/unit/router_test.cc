#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "lib/mail/router.h"

using namespace hato;

namespace {

const Router& router() {
  static const Router r(
      {"local.example", "Mixed.Example", "percent.example", "xn--wgv71a119e.jp"},
      {"virtual.example:joe-foo", ".fax:uucp-fax", ".wild.example:abc-x",
       "except.wild.example:", "info@single.example:jane", "only-a-name", "twice.example:first",
       "twice.example:second", "local.example:never", "日本.example:jp"},
      {"percent.example", "away.example"}, "noat.example");
  return r;
}

}  // namespace

TEST_CASE("recipients go where qmail-send(8) says", "[router]") {
  struct Row {
    const char *address, *recipient;
    Channel channel;
    const char* source;
  };
  constexpr Channel here = Channel::local, there = Channel::remote;
  for (const Row& row : {
           Row{"a@local.example", "a@local.example", here, "locals"},
           Row{"A@LOCAL.Example", "A@LOCAL.Example", here, "domains without regard to case; text kept"},
           Row{"a@mixed.example", "a@mixed.example", here, "case of the control file"},
           Row{"a@sub.local.example", "a@sub.local.example", there, "locals has no wildcards"},
           Row{"a@elsewhere.example", "a@elsewhere.example", there, "everything else"},
           Row{"a", "a@noat.example", there, "envnoathost: an address without @"},
           Row{"", "@noat.example", there, "envnoathost, empty address"},
           Row{"x@y@local.example", "x@y@local.example", here, "the last @ counts"},
           Row{"info@virtual.example", "joe-foo-info@virtual.example", here, "virtualdomains"},
           Row{"info@VIRTUAL.example", "joe-foo-info@VIRTUAL.example", here, "virtualdomains, case"},
           Row{"info@sub.virtual.example", "info@sub.virtual.example", there, "no wildcard without a dot"},
           Row{"5551212@host.fax", "uucp-fax-5551212@host.fax", here, "wildcard .fax"},
           Row{"5551212@a.b.fax", "uucp-fax-5551212@a.b.fax", here, "wildcard, deeper"},
           Row{"5551212@fax", "5551212@fax", there, ".fax does not cover fax"},
           Row{"a@b.wild.example", "abc-x-a@b.wild.example", here, "wildcard"},
           Row{"a@except.wild.example", "a@except.wild.example", there, "exception: an empty prepend"},
           Row{"info@single.example", "jane-info@single.example", here, "user@domain"},
           Row{"Info@Single.example", "jane-Info@Single.example", here, "user@domain, case"},
           Row{"other@single.example", "other@single.example", there, "user@domain is one address only"},
           Row{"a@twice.example", "second-a@twice.example", here, "the later of two lines"},
           Row{"b@local.example", "b@local.example", here, "locals before virtualdomains"},
           Row{"a%virtual.example@percent.example", "joe-foo-a@virtual.example", here,
               "percenthack before virtualdomains"},
           Row{"a%b.example@percent.example", "a@b.example", there, "percenthack"},
           Row{"a%b%away.example@percent.example", "a@b", there, "percenthack, again and again"},
           Row{"a%b@local.example", "a%b@local.example", here, "only for domains of percenthack"},
           Row{"plain@percent.example", "plain@percent.example", here, "no % in it"},
           Row{"@percent.example", "@percent.example", here, "nothing before the @"},
           Row{"%x.example@percent.example", "@x.example", there, "nothing before the %"},
           Row{"a@日本語.jp", "a@日本語.jp", here, "U-label and A-label are one domain"},
           Row{"a@xn--wgv71a.example", "jp-a@xn--wgv71a.example", here, "the same in virtualdomains"},
       }) {
    CAPTURE(row.address, row.source);
    const Route route = router().route(row.address);
    CHECK(route.recipient == row.recipient);
    CHECK(route.channel == row.channel);
  }
}

TEST_CASE("an empty key of virtualdomains catches everything but exceptions", "[router]") {
  const Router r({"local.example"}, {":alias-catchall", "out.example:"}, {}, "me");
  CHECK(r.route("a@anything").recipient == "alias-catchall-a@anything");
  CHECK(r.route("a@anything").channel == Channel::local);
  CHECK(r.route("a@out.example").channel == Channel::remote);
  CHECK(r.route("a@local.example").recipient == "a@local.example");
}

TEST_CASE("a bounce names the recipient without the prepend", "[router]") {
  CHECK(router().route("info@virtual.example").address() == "info@virtual.example");
  CHECK(router().route("a").address() == "a@noat.example");
  CHECK(router().route("a@local.example").address() == "a@local.example");
}

TEST_CASE("SIGHUP replaces locals and virtualdomains, not percenthack", "[router]") {
  Router r({"old.example"}, {"v.example:joe"}, {"p.example"}, "me");
  r.replace({"new.example"}, {});
  CHECK(r.route("a@old.example").channel == Channel::remote);
  CHECK(r.route("a@new.example").channel == Channel::local);
  CHECK(r.route("a@v.example").channel == Channel::remote);
  CHECK(r.route("a%new.example@p.example").channel == Channel::local);
}
