#include "lib/mail/router.h"
#include "tests/catch.h"

using namespace hato;

namespace {

const Router& router() {
  static const Router r(
      {{"local.example", "Mixed.Example", "percent.example", "xn--wgv71a119e.jp"},
       {"virtual.example:joe-foo", ".fax:uucp-fax", ".wild.example:abc-x",
        "except.wild.example:", "info@single.example:jane", "only-a-name", "twice.example:first",
        "twice.example:second", "local.example:never", "日本.example:jp"}},
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
  const Router r({{"local.example"}, {":alias-catchall", "out.example:"}}, {}, "me");
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
  Router r({{"old.example"}, {"v.example:joe"}, {"al.example:old.example"}, {"sub.example"}}, {"p.example"},
           "me");
  r.replace({{"new.example"}, {}, {"other.example:new.example"}, {"fresh.example"}});
  CHECK(r.route("a@old.example").channel == Channel::remote);
  CHECK(r.route("a@new.example").channel == Channel::local);
  CHECK(r.route("a@v.example").channel == Channel::remote);
  CHECK(r.route("a%new.example@p.example").channel == Channel::local);
  CHECK(r.route("a@al.example").channel == Channel::remote);
  CHECK(r.route("a@other.example").recipient == "a@new.example");
  CHECK(r.route("a@abc.sub.example").channel == Channel::remote);
  CHECK(r.route("a@abc.fresh.example").channel == Channel::local);
}

namespace {

// A table of accounts with these domains.
AccountDomain account_domain(const std::string& domain) {
  if (domain == "customer.example" || domain == "xn--wgv71a.example") return {"abc", false};
  if (domain == "byhand.example") return {"never", false};
  if (domain == "firm.example") return {"boss@other.example", false};
  if (domain == "logins.example") return {"", true};
  return {};
}

const Router& hosting() {
  static const Router r(
      {{"pobox.example", "local.pobox.example"},
       {"hand.pobox.example:joe", ".wild.pobox.example:jane", "byhand.example:joe",
        "me@customer.example:boss", "v.alias.example:joe", "real.example:jim",
        "gone.example:", ":alias-rest"},
       {"alias.example:pobox.example", "Alias2.Example:customer.example", "v.alias.example:never.example",
        "toreal.example:real.example", "日本.example:never", "loop.example:loop2.example",
        "loop2.example:pobox.example", "nocolon.example", "abc.alias.example:abc.pobox.example",
        "togone.example:gone.example"},
       {"pobox.example", "Pobox.JP", "deep.pobox.jp"}},
      {"percent.example"}, "noat.example", account_domain);
  return r;
}

}  // namespace

TEST_CASE("subdomains, domain aliases and the domains of accounts", "[router]") {
  struct Row {
    const char *address, *recipient, *source;
  };
  for (const Row& row : {
           Row{"a@pobox.example", "a@pobox.example", "locals"},
           Row{"any@abc.pobox.example", "abc-any@abc.pobox.example", "subdomains"},
           Row{"Any@ABC.Pobox.Example", "abc-Any@ABC.Pobox.Example",
               "the account in lower case, the rest kept"},
           Row{"any@x.y.pobox.example", "x.y-any@x.y.pobox.example", "an account with a dot, or nobody"},
           Row{"any@日本.pobox.example", "xn--wgv71a-any@日本.pobox.example", "the account's A-label"},
           Row{"any@abc.pobox.jp", "abc-any@abc.pobox.jp", "case of the control file"},
           Row{"any@abc.deep.pobox.jp", "abc-any@abc.deep.pobox.jp", "the longest that fits"},
           Row{"a@local.pobox.example", "a@local.pobox.example", "locals before subdomains"},
           Row{"a@hand.pobox.example", "joe-a@hand.pobox.example", "virtualdomains before subdomains"},
           Row{"a@b.wild.pobox.example", "jane-a@b.wild.pobox.example", "the same with a wildcard"},
           Row{"abc-x@abc.pobox.example", "abc-abc-x@abc.pobox.example", "always put in front"},
           Row{"../x@abc.pobox.example", "abc-../x@abc.pobox.example", "nothing is made of the local part"},
           Row{"a@b@abc.pobox.example", "abc-a@b@abc.pobox.example", "the last @ counts"},
           Row{"@abc.pobox.example", "abc-@abc.pobox.example", "nothing before the @"},
           Row{"a@.pobox.example", "alias-rest-a@.pobox.example", "no account"},
           Row{"a@customer.example", "abc-a@customer.example", "an account's own domain"},
           Row{"A@Customer.EXAMPLE", "abc-A@Customer.EXAMPLE", "in any case"},
           Row{"a@日本.example", "alias-rest-a@never", "aliases before accounts' domains"},
           Row{"me@customer.example", "boss-me@customer.example", "user@domain of virtualdomains before it"},
           Row{"a@byhand.example", "joe-a@byhand.example", "virtualdomains before it"},
           Row{"a@firm.example", "boss@other.example-a@firm.example", "a login that is an address"},
           Row{"a@logins.example", "a@logins.example", "logins are addresses there"},
           Row{"a@alias.example", "a@pobox.example", "domainaliases"},
           Row{"a@ALIAS2.example", "abc-a@customer.example", "an alias of an own domain"},
           Row{"me@alias2.example", "boss-me@customer.example", "virtualdomains see the real name"},
           Row{"a@v.alias.example", "joe-a@v.alias.example", "virtualdomains before domainaliases"},
           Row{"a@toreal.example", "jim-a@real.example", "an alias of a virtual domain"},
           Row{"a@loop.example", "alias-rest-a@loop2.example", "aliases are followed once"},
           Row{"a@nocolon.example", "alias-rest-a@nocolon.example", "a line without a colon"},
           Row{"a@abc.alias.example", "abc-a@abc.pobox.example", "an alias of a subdomain"},
           Row{"a@xyz.alias.example", "alias-rest-a@xyz.alias.example", "not of what is below it"},
           Row{"a%abc.pobox.example@percent.example", "abc-a@abc.pobox.example", "percenthack comes first"},
           Row{"a@elsewhere.example", "alias-rest-a@elsewhere.example", "the line for everything comes last"},
       }) {
    CAPTURE(row.address, row.source);
    const Route route = hosting().route(row.address);
    CHECK(route.recipient == row.recipient);
    CHECK(route.channel == Channel::local);
  }
  CHECK(hosting().route("a@gone.example").channel == Channel::remote);
  CHECK(hosting().route("a@togone.example") == Route{Channel::remote, "a@gone.example", 0});
  CHECK(hosting().route("any@abc.pobox.example").address() == "any@abc.pobox.example");
  CHECK(Router({{"x"}, {}, {}, {"pobox.example"}}, {}, "me").route("a@b.example").channel == Channel::remote);
}

TEST_CASE("whose a domain is", "[router]") {
  const auto owner = [](const std::string& domain) {
    const std::optional<AccountDomain> found = hosting().account_domain(domain);
    return !found ? "nobody's" : found->owner.empty() ? "logins" : found->owner;
  };
  CHECK(owner("abc.pobox.example") == "abc");
  CHECK(owner("a.b.pobox.example") == "a.b");
  CHECK(owner("abc.deep.pobox.jp") == "abc");
  CHECK(owner("customer.example") == "abc");
  CHECK(owner("logins.example") == "logins");
  CHECK(owner("pobox.example") == "nobody's");
  CHECK(owner(".pobox.example") == "nobody's");
  CHECK(owner("abcpobox.example") == "nobody's");
  CHECK(owner("") == "nobody's");
}

TEST_CASE("which recipients an operator's line has made", "[router]") {
  const Router& r = hosting();
  CHECK(r.by_hand("a", "pobox.example") == ByHand::locals);
  CHECK(r.by_hand("joe-a", "hand.pobox.example") == ByHand::virtualdomains);
  CHECK(r.by_hand("boss-me", "customer.example") == ByHand::virtualdomains);
  CHECK(r.by_hand("boss-you", "customer.example") == ByHand::no);
  CHECK(r.by_hand("alias-rest-a", "elsewhere.example") == ByHand::virtualdomains);
  CHECK(r.by_hand("alias-rest-a", "abc.pobox.example") == ByHand::no);  // that line comes after subdomains
  CHECK(r.by_hand("alias-rest-a", "customer.example") == ByHand::no);   // and after accounts' domains
  CHECK(r.by_hand("alias-rest-a", "logins.example") == ByHand::no);
  CHECK(r.by_hand("jane-a", "b.wild.pobox.example") == ByHand::virtualdomains);
  CHECK(r.by_hand("joe-a", "elsewhere.example") == ByHand::no);
  CHECK(r.by_hand("abc-a", "abc.pobox.example") == ByHand::no);
  CHECK(r.by_hand("abc-a", "customer.example") == ByHand::no);
  CHECK(r.by_hand("-a", "gone.example") == ByHand::no);
}
