#include "lib/net/tls_client.h"

#include <bearssl.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "lib/base/io.h"

namespace hato {

namespace {

struct Suite {
  std::uint16_t number;
  const char* name;
};

// In the order of preference. AES-GCM first: every server of today has the instructions for it.
constexpr Suite suites[] = {
    {BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256"},
    {BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384"},
    {BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305"},
    // From here on only where the alternative is clear text.
    {BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, "ECDHE-ECDSA-AES128-SHA256"},
    {BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, "ECDHE-RSA-AES128-SHA256"},
    {BR_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384, "ECDHE-ECDSA-AES256-SHA384"},
    {BR_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384, "ECDHE-RSA-AES256-SHA384"},
    {BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, "ECDHE-ECDSA-AES128-SHA"},
    {BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, "ECDHE-RSA-AES128-SHA"},
    {BR_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, "ECDHE-ECDSA-AES256-SHA"},
    {BR_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, "ECDHE-RSA-AES256-SHA"},
    {BR_TLS_RSA_WITH_AES_128_GCM_SHA256, "AES128-GCM-SHA256"},
    {BR_TLS_RSA_WITH_AES_256_GCM_SHA384, "AES256-GCM-SHA384"},
    {BR_TLS_RSA_WITH_AES_128_CBC_SHA256, "AES128-SHA256"},
    {BR_TLS_RSA_WITH_AES_256_CBC_SHA256, "AES256-SHA256"},
    {BR_TLS_RSA_WITH_AES_128_CBC_SHA, "AES128-SHA"},
    {BR_TLS_RSA_WITH_AES_256_CBC_SHA, "AES256-SHA"},
};
constexpr std::size_t good_suites = 6;

struct Named {
  unsigned number;
  const char* name;
};

// RFC 5246 section 7.2 and RFC 6066.
constexpr Named alerts[] = {
    {0, "close_notify"},
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {22, "record_overflow"},
    {40, "handshake_failure"},
    {42, "bad_certificate"},
    {43, "unsupported_cert"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {100, "no_renegotiation"},
    {110, "unsupported_extension"},
    {112, "unrecognized_name"},
    {116, "certificate_required"},
};

constexpr Named errors[] = {
    {BR_ERR_BAD_VERSION, "what it says is not TLS"},
    {BR_ERR_BAD_LENGTH, "what it says is not TLS"},
    {BR_ERR_UNEXPECTED, "it sent what does not belong there"},
    {BR_ERR_BAD_PARAM, "it sent what makes no sense"},
    {BR_ERR_UNSUPPORTED_VERSION, "what it says is not TLS, or of no version that I know"},
    {BR_ERR_BAD_CIPHER_SUITE, "it has no cipher that I know"},
    {BR_ERR_BAD_MAC, "a record was damaged on the way"},
    {BR_ERR_BAD_SIGNATURE, "its signature is wrong"},
    {BR_ERR_TOO_LARGE, "it sent a record that is too large"},
    {BR_ERR_INVALID_ALGORITHM, "it has no algorithm that I know"},
    {BR_ERR_BAD_HANDSHAKE, "its handshake is damaged"},
    {BR_ERR_BAD_SECRENEG, "it broke the rules of renegotiation"},
    {BR_ERR_WRONG_KEY_USAGE, "its certificate is for another use"},
    {BR_ERR_X509_LIMIT_EXCEEDED, "its certificates are too many or too large"},
    {BR_ERR_X509_EMPTY_CHAIN, "it showed no certificate"},
    {BR_ERR_X509_UNSUPPORTED, "its certificate's key is of a kind that I do not know"},
};

std::string name_in(const Named* begin, const Named* end, unsigned number) {
  const Named* found = std::find_if(begin, end, [&](const Named& n) { return n.number == number; });
  return found == end ? std::string() : found->name;
}

std::string alert_name(unsigned alert) {
  const std::string name = name_in(std::begin(alerts), std::end(alerts), alert);
  return name.empty() ? std::to_string(alert) : name;
}

// An X.509 "class" of BearSSL's that takes every certificate, keeps them, and hands out the first one's key.
struct Witness {
  const br_x509_class* vtable;  // BearSSL finds us by it: it must stand first
  CertificateChain chain;
  std::size_t bytes = 0;
  bool too_much = false;
  br_x509_decoder_context decoder{};
};

Witness& witness(const br_x509_class** context) {
  return *reinterpret_cast<Witness*>(context);
}
const Witness& witness(const br_x509_class* const* context) {
  return *reinterpret_cast<const Witness*>(context);
}

unsigned end_of_chain(Witness& self) {
  if (self.too_much) return BR_ERR_X509_LIMIT_EXCEEDED;
  if (self.chain.empty()) return BR_ERR_X509_EMPTY_CHAIN;
  br_x509_decoder_init(&self.decoder, nullptr, nullptr);
  br_x509_decoder_push(&self.decoder, self.chain[0].data(), self.chain[0].size());
  if (br_x509_decoder_get_pkey(&self.decoder) != nullptr) return 0;
  const int error = br_x509_decoder_last_error(&self.decoder);
  return error == 0 ? static_cast<unsigned>(BR_ERR_X509_UNSUPPORTED) : static_cast<unsigned>(error);
}

constexpr br_x509_class witness_class = {
    .context_size = sizeof(Witness),
    .start_chain = [](const br_x509_class** c, const char*) { witness(c).chain.clear(); },
    .start_cert =
        [](const br_x509_class** c, std::uint32_t length) {
          Witness& self = witness(c);
          self.bytes += length;
          self.too_much =
              self.too_much || self.bytes > max_chain_bytes || self.chain.size() == max_chain_certificates;
          if (!self.too_much) self.chain.emplace_back().reserve(length);
        },
    .append =
        [](const br_x509_class** c, const unsigned char* data, std::size_t size) {
          Witness& self = witness(c);
          if (!self.too_much) self.chain.back().append(reinterpret_cast<const char*>(data), size);
        },
    .end_cert = [](const br_x509_class**) {},
    .end_chain = [](const br_x509_class** c) { return end_of_chain(witness(c)); },
    .get_pkey = [](const br_x509_class* const* c, unsigned* usages) -> const br_x509_pkey* {
      if (usages != nullptr) *usages = BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN;
      return br_x509_decoder_get_pkey(const_cast<br_x509_decoder_context*>(&witness(c).decoder));
    },
};

}  // namespace

struct TlsClient::Session {
  br_ssl_client_context client;
  Witness witness{&witness_class, {}, 0, false, {}};
  // The other side takes no more; an alert or a last reply of its may still be there to be read.
  bool unheard = false;
  std::array<unsigned char, BR_SSL_BUFSIZE_BIDI> records;

  br_ssl_engine_context* engine() { return &client.eng; }
  ~Session() {
    explicit_bzero(&client, sizeof client);
    explicit_bzero(records.data(), records.size());
  }
};

TlsClient::TlsClient(int fd, const TlsClientSettings& settings)
    : fd_(fd), session_(new Session) {  // not make_unique: it would clear the record space
  br_ssl_client_context& client = session_->client;
  br_ssl_engine_context* engine = session_->engine();
  br_ssl_client_zero(&client);
  br_ssl_engine_set_versions(engine, settings.old_ciphers ? BR_TLS10 : BR_TLS12, BR_TLS12);
  std::array<std::uint16_t, std::size(suites)> numbers;
  std::transform(std::begin(suites), std::end(suites), numbers.begin(),
                 [](const Suite& s) { return s.number; });
  br_ssl_engine_set_suites(engine, numbers.data(), settings.old_ciphers ? numbers.size() : good_suites);
  br_ssl_engine_set_default_ec(engine);
  br_ssl_engine_set_default_rsavrfy(engine);
  br_ssl_engine_set_default_ecdsa(engine);
  br_ssl_engine_set_default_aes_gcm(engine);
  br_ssl_engine_set_default_chapol(engine);
  br_ssl_engine_set_hash(engine, br_sha1_ID, &br_sha1_vtable);
  br_ssl_engine_set_hash(engine, br_sha256_ID, &br_sha256_vtable);
  br_ssl_engine_set_hash(engine, br_sha384_ID, &br_sha384_vtable);
  br_ssl_engine_set_hash(engine, br_sha512_ID, &br_sha512_vtable);
  br_ssl_engine_set_prf_sha256(engine, &br_tls12_sha256_prf);
  br_ssl_engine_set_prf_sha384(engine, &br_tls12_sha384_prf);
  if (settings.old_ciphers) {
    br_ssl_client_set_default_rsapub(&client);
    br_ssl_engine_set_default_aes_cbc(engine);
    br_ssl_engine_set_hash(engine, br_md5_ID, &br_md5_vtable);
    br_ssl_engine_set_prf10(engine, &br_tls10_prf);
  }
  br_ssl_engine_add_flags(engine, BR_OPT_NO_RENEGOTIATION);
  br_ssl_engine_set_x509(engine, &session_->witness.vtable);
  br_ssl_engine_set_buffer(engine, session_->records.data(), session_->records.size(), 1);

  // Without it BearSSL would look for /dev/urandom, which a sealed process cannot open.
  std::array<unsigned char, 32> entropy;
  if (getrandom(entropy.data(), entropy.size(), 0) != static_cast<ssize_t>(entropy.size()))
    throw_errno("getrandom");
  br_ssl_engine_inject_entropy(engine, entropy.data(), entropy.size());
  explicit_bzero(entropy.data(), entropy.size());
  const bool named = !settings.server_name.empty();
  if (br_ssl_client_reset(&client, named ? settings.server_name.c_str() : nullptr, 0) != 1) fail();
}

TlsClient::~TlsClient() = default;

std::string TlsClient::error_text(unsigned error) {
  if (error >= BR_ERR_SEND_FATAL_ALERT)
    return "I sent the alert " + alert_name(error - BR_ERR_SEND_FATAL_ALERT);
  if (error >= BR_ERR_RECV_FATAL_ALERT)
    return "it sent the alert " + alert_name(error - BR_ERR_RECV_FATAL_ALERT);
  const std::string name = name_in(std::begin(errors), std::end(errors), error);
  return name.empty() ? "BearSSL says " + std::to_string(error) : name;
}

void TlsClient::fail() {
  const int error = br_ssl_engine_last_error(session_->engine());
  throw TlsError(error == 0 ? "it closed the session" : error_text(static_cast<unsigned>(error)));
}

// False: the socket takes no more, for good.
bool TlsClient::send_records(Deadline deadline) {
  std::size_t size = 0;
  const unsigned char* data = br_ssl_engine_sendrec_buf(session_->engine(), &size);
  for (;;) {
    const ssize_t n = ::send(fd_, data, size, MSG_NOSIGNAL);
    if (n > 0) {
      br_ssl_engine_sendrec_ack(session_->engine(), static_cast<std::size_t>(n));
      return true;
    }
    if (errno == EPIPE || errno == ECONNRESET) return false;
    if (errno != EAGAIN && errno != EINTR) throw_errno("send");
    if (!wait_writable(fd_, deadline)) throw TimeoutError("timed out");
  }
}

bool TlsClient::receive_records(Deadline deadline) {
  std::size_t size = 0;
  unsigned char* space = br_ssl_engine_recvrec_buf(session_->engine(), &size);
  for (;;) {
    if (!wait_readable(fd_, deadline)) throw TimeoutError("timed out");
    const ssize_t n = recv(fd_, space, size, 0);
    if (n > 0) {
      br_ssl_engine_recvrec_ack(session_->engine(), static_cast<std::size_t>(n));
      return true;
    }
    if (n == 0 || errno == ECONNRESET) return false;
    if (errno != EAGAIN && errno != EINTR) throw_errno("recv");
  }
}

bool TlsClient::run(unsigned wanted, Deadline deadline) {
  for (;;) {
    const unsigned state = br_ssl_engine_current_state(session_->engine());
    if ((state & BR_SSL_CLOSED) != 0) {
      if (br_ssl_engine_last_error(session_->engine()) == 0) return false;
      fail();
    }
    if ((state & BR_SSL_SENDREC) != 0 && !session_->unheard) {
      if (send_records(deadline)) continue;
      session_->unheard = true;
    }
    if ((state & wanted) != 0) return true;
    if (wanted == 0) return !session_->unheard;
    if (!receive_records(deadline)) return false;
  }
}

void TlsClient::handshake(Deadline deadline) {
  if (!run(BR_SSL_SENDAPP, deadline)) throw TlsError("it closed the connection during the handshake");
}

std::size_t TlsClient::read(char* space, std::size_t size, Deadline deadline) {
  if (!run(BR_SSL_RECVAPP, deadline)) return 0;
  std::size_t have = 0;
  const unsigned char* data = br_ssl_engine_recvapp_buf(session_->engine(), &have);
  const std::size_t n = std::min(have, size);
  memcpy(space, data, n);
  br_ssl_engine_recvapp_ack(session_->engine(), n);
  return n;
}

std::size_t TlsClient::write(std::string_view data, Deadline deadline) {
  if (!run(BR_SSL_SENDAPP, deadline)) throw TlsError("it closed the session");
  std::size_t room = 0;
  unsigned char* space = br_ssl_engine_sendapp_buf(session_->engine(), &room);
  const std::size_t n = std::min(room, data.size());
  memcpy(space, data.data(), n);
  br_ssl_engine_sendapp_ack(session_->engine(), n);
  return n;
}

void TlsClient::flush(Deadline deadline) {
  br_ssl_engine_flush(session_->engine(), 0);
  if (!run(0, deadline)) throw TlsError("it closed the session");
}

void TlsClient::close() {
  br_ssl_engine_close(session_->engine());
  try {
    while ((br_ssl_engine_current_state(session_->engine()) & BR_SSL_SENDREC) != 0)
      if (!send_records(Deadline::in_seconds(0))) return;
  } catch (const Error&) {
    // it does not listen any more
  }
}

std::string TlsClient::protocol() const {
  switch (br_ssl_engine_get_version(&session_->client.eng)) {
    case BR_TLS10:
      return "TLSv1";
    case BR_TLS11:
      return "TLSv1.1";
    case BR_TLS12:
      return "TLSv1.2";
    default:
      return "TLS";
  }
}

std::string TlsClient::cipher() const {
  br_ssl_session_parameters parameters;
  br_ssl_engine_get_session_parameters(&session_->client.eng, &parameters);
  const std::uint16_t number = parameters.cipher_suite;
  explicit_bzero(&parameters, sizeof parameters);
  const Suite* found =
      std::find_if(std::begin(suites), std::end(suites), [&](const Suite& s) { return s.number == number; });
  return found == std::end(suites) ? "unknown" : found->name;
}

const CertificateChain& TlsClient::chain() const {
  return session_->witness.chain;
}

}  // namespace hato
