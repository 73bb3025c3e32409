#include "remote/opening.h"

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/mail/domain.h"
#include "lib/net/server_identity.h"
#include "remote/auth_client.h"
#include "remote/report.h"

namespace hato {

namespace {

constexpr unsigned ready = 220;
constexpr unsigned closing = 421;
constexpr unsigned mechanism_unknown = 504;
constexpr unsigned mechanism_too_weak = 534;

using Outcome = Opening::Outcome;

// One opening, step by step. Each step says whether the next one may come; if not, opening_ holds why.
class Opener {
 public:
  Opener(Connection& connection, SmtpClient& client, const RemoteSettings& settings, const SmtpLogin* login,
         const std::string& host, const DaneDemand& dane, const std::string& clear_because, Opening& opening)
      : connection_(connection),
        client_(client),
        settings_(settings),
        login_(login),
        host_(host),
        dane_(dane),
        connected_("Connected to " + connection.peer().address.text()),
        clear_because_(clear_because),
        opening_(opening) {
    if (!clear_because.empty()) opening_.tls = "TLS: none, " + clear_because + ".\n";
  }

  void run() {
    open();
    tell_policy();
  }

 private:
  void open() {
    if (tls().on_connect && !encrypt()) return;
    if (!greet() || !hello()) return;
    if (!tls().on_connect && wants_tls() && !starttls()) return;
    if (login_ != nullptr && !log_in()) return;
    opening_.outcome = Outcome::ready;
  }

  // What the host's TLSA records and the domain's policy (RFC 8461) had to do with it.
  void tell_policy() {
    if (opening_.outcome == Outcome::again_in_clear) return;
    if (by_dane()) {
      opening_.tls += "DANE: the TLSA records of " + printable(dane_.base_domain) + " are enforced.\n";
      return;
    }
    if (dane_.kind == DaneDemand::Kind::encryption)
      opening_.tls += "DANE: the TLSA records of " + printable(dane_.base_domain) +
                      " demand TLS; to tell who it is none can be used.\n";
    else if (!dane_.problem.empty())
      opening_.tls += "DANE: none, " + dane_.problem + ".\n";
    if (tls().sts.mode == StsMode::enforce)
      opening_.tls += "MTA-STS: the policy of " + printable(tls().domain) + " is enforced.\n";
    if (tls().sts.mode != StsMode::testing || opening_.outcome != Outcome::ready) return;
    std::string failure;
    if (!tls().sts.allows(host_))
      failure = printable(host_) + " is none of its mail exchangers";
    else if (connection_.tls() == nullptr)
      failure = "there is no TLS";
    else if (!verdict_.verified)
      failure = "the certificate is " + verdict_.text;
    if (!failure.empty())
      opening_.tls += "MTA-STS: the policy of " + printable(tls().domain) +
                      " is only tested; enforced, this mail would not have gone: " + failure + ".\n";
  }

  const TlsSettings& tls() const { return settings_.tls; }
  bool by_dane() const { return dane_.kind == DaneDemand::Kind::identity; }
  bool must_encrypt() const {
    return tls().level >= TlsLevel::encrypt || by_dane() || dane_.kind == DaneDemand::Kind::encryption;
  }
  bool wants_tls() const { return tls().level != TlsLevel::none && clear_because_.empty(); }

  bool fail(const std::string& text, Outcome outcome = Outcome::next_address) {
    opening_.outcome = outcome;
    opening_.failure = connected_ + " but " + text;
    return false;
  }

  bool greet() {
    const SmtpReply greeting = client_.greeting();
    opening_.goodbye = greeting.code == closing;
    opening_.greeted = greeting.code == ready;
    return opening_.greeted || fail("greeting failed.\n" + remote_host_said(greeting));
  }

  bool hello() {
    const SmtpReply hello = client_.hello();
    opening_.goodbye = hello.code == closing;
    return hello.positive() || fail("my name was rejected.\n" + remote_host_said(hello));
  }

  // True also when it goes on in clear text.
  bool starttls() {
    if (!client_.extensions().starttls)
      return !must_encrypt() || fail("it offers no TLS, without which this mail must not go. (#4.7.4)\n");
    try {
      if (const SmtpReply reply = client_.starttls(); reply.code != ready) return refused(reply);
      return encrypt() && hello();
    } catch (const ConnectionLost& lost) {  // some hang up at the first word in TLS
      return broken(lost.text());
    }
  }

  bool refused(const SmtpReply& reply) {
    if (must_encrypt())
      return fail("STARTTLS was refused, and without TLS this mail must not go. (#4.7.4)\n" +
                  remote_host_said(reply));
    opening_.tls = "TLS: none, STARTTLS was refused: " + reply.text.substr(0, reply.text.find('\n')) + "\n";
    return true;
  }

  bool broken(const std::string& why) {
    connection_.close();
    const std::string text = "the handshake failed: " + why;
    if (must_encrypt()) return fail("TLS: " + text + ". (#4.7.5)\n");
    opening_.outcome = Outcome::again_in_clear;
    opening_.failure = text;
    return false;
  }

  bool encrypt() {
    TlsClientSettings client;
    client.server_name = server_name();
    client.old_ciphers = !must_encrypt();
    const std::int64_t seconds = std::min(settings_.timeout_remote, max_handshake_seconds);
    try {
      connection_.start_tls(client, Deadline::in_seconds(seconds));
    } catch (const Error& e) {
      return broken(e.text());
    }
    return judge();
  }

  bool judge() {
    const TlsClient& session = *connection_.tls();
    const bool must_verify = tls().level == TlsLevel::verify || by_dane();
    verdict_ = by_dane() ? judge_by_dane(session.chain()) : judge_by_authorities(session.chain());
    opening_.tls =
        "TLS: " + session.protocol() + " " + session.cipher() + ", certificate " + verdict_.text + ".\n";
    proved_ = verdict_.verified && must_verify;
    return proved_ || !must_verify || fail("its certificate will not do: " + verdict_.text + ". (#4.7.5)\n");
  }

  ServerVerdict judge_by_authorities(const CertificateChain& chain) const {
    const std::vector<std::string> names = names_to_ask_for(tls().names, tls().domain, host_);
    // Without a policy the host's own name is what a reader of the log wants to know about.
    // With an MTA-STS policy it is what counts: the policy has said that this host is the right one.
    const bool own_name = tls().level != TlsLevel::verify || tls().sts.mode == StsMode::enforce;
    return judge_server(chain, tls().trust, own_name ? names_to_ask_for({}, host_, host_) : names,
                        now_seconds());
  }

  ServerVerdict judge_by_dane(const CertificateChain& chain) const {
    std::vector<std::string> names = dane_.names;
    names.push_back(canonical_domain(tls().domain));
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return judge_server_by_tlsa(chain, dane_.records, names, now_seconds());
  }

  std::string server_name() const {
    if (by_dane() || dane_.kind == DaneDemand::Kind::encryption) return dane_.base_domain;
    if (host_.starts_with('[') || IpAddress::parse(host_)) return {};
    return to_ascii_domain(host_).value_or("");
  }

  bool log_in() {
    if (connection_.tls() == nullptr && !settings_.route->tls.auth_in_clear)
      return fail("it offers no TLS, without which I do not log in. (#4.7.4)\n");
    const SmtpExtensions& offered = client_.extensions();
    const auto mechanisms = auth_mechanisms(offered.auth, proved_);
    if (mechanisms.empty())
      return fail(
          "it offers no way to log in that I know. (#4.7.4)\n" +
          (offered.auth.empty() ? std::string() : "It offers: " + printable_words(offered.auth) + ".\n"));
    SmtpReply reply;
    for (const std::string_view mechanism : mechanisms) {
      reply = authenticate(connection_, mechanism, *login_);
      if (reply.positive()) return true;
      if (reply.code != mechanism_unknown && reply.code != mechanism_too_weak) break;
    }
    return fail(
        "it refused my login as " + printable_words(login_->user) + ". (#4.7.8)\n" + remote_host_said(reply),
        reply.permanent() ? Outcome::give_up : Outcome::next_address);
  }

  static std::string printable_words(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < 32 || c >= 127; }, '?');
    return text;
  }

  Connection& connection_;
  SmtpClient& client_;
  const RemoteSettings& settings_;
  const SmtpLogin* const login_;
  const std::string& host_;
  const DaneDemand& dane_;
  const std::string connected_;
  const std::string& clear_because_;
  ServerVerdict verdict_;
  bool proved_ = false;  // the server is who it should be
  Opening& opening_;
};

}  // namespace

void open_session(Connection& connection, SmtpClient& client, const RemoteSettings& settings,
                  const SmtpLogin* login, const std::string& host, const DaneDemand& dane,
                  const std::string& clear_because, Opening& opening) {
  Opener(connection, client, settings, login, host, dane, clear_because, opening).run();
}

}  // namespace hato
