// The client's side of TLS on a connected socket, by BearSSL: TLS 1.0 to 1.2, deadlines, any certificate.
//
// The handshake takes whatever certificate the server shows, so that a connection that would otherwise be
// clear text is encrypted at least. Who needs to know whom he speaks to looks at chain() after the handshake
// and before the first byte: chain_problem() with the anchors of his choice (a trust store's, a TLSA
// record's), Certificate::parse(chain()[0]) for names and the public key.
//
// Works in a sealed process: random numbers from getrandom(2), no files. Costs nothing before it is made and
// some 40 KiB then; what was secret is wiped at the end. No TLS 1.3, no DHE, no session resumption, no
// renegotiation, no client certificate.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/net/certificate_chain.h"

namespace hato {

constexpr std::size_t max_chain_certificates = 16;
constexpr std::size_t max_chain_bytes = 128U << 10;  // all certificates of a server together

// The two sides do not agree, or the other one broke off. The text says which, as a clause: "it sent the
// alert handshake_failure".
class TlsError : public TempError {
 public:
  explicit TlsError(std::string text) : TempError(std::move(text)) {}
};

struct TlsClientSettings {
  std::string server_name;  // for SNI, A-labels; empty: none (RFC 6066 section 3: never an address)
  // Also TLS 1.0 and 1.1, CBC and key exchange by RSA: where the alternative is clear text.
  bool old_ciphers = false;
};

class TlsClient {
 public:
  // fd: connected, non-blocking; stays the caller's and must outlive this. Throws SystemError (getrandom).
  TlsClient(int fd, const TlsClientSettings& settings);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // These throw TlsError, TimeoutError when the deadline passed first, and SystemError for the socket's
  // errors. After any of them the connection is of no use.
  void handshake(Deadline deadline);
  // At least one byte, at most `size`; 0: the other side closed, with or without saying so first.
  std::size_t read(char* space, std::size_t size, Deadline deadline);
  // Takes some of the data (at least one byte), sending full records as it goes.
  std::size_t write(std::string_view data, Deadline deadline);
  // Sends what was taken and not sent yet.
  void flush(Deadline deadline);
  // Says that we are done (close_notify), as far as it goes without waiting. Never throws.
  void close();

  // After the handshake:
  std::string protocol() const;                   // "TLSv1.2"
  std::string cipher() const;                     // OpenSSL's name: "ECDHE-RSA-AES128-GCM-SHA256"
  const CertificateChain& chain() const;          // as the server sent it; never empty
  static std::string error_text(unsigned error);  // of a BearSSL error code

 private:
  struct Session;
  // Moves records until the engine is in one of the wanted states; 0: until nothing is left to send.
  // False: the other side closed.
  bool run(unsigned wanted, Deadline deadline);
  bool send_records(Deadline deadline);
  bool receive_records(Deadline deadline);
  [[noreturn]] void fail();

  int fd_;
  std::unique_ptr<Session> session_;
};

}  // namespace hato
