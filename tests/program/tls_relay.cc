#include "tests/program/tls_relay.h"

#include <bearssl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "lib/mail/base64.h"

namespace hato::test {

namespace {

// The DER of each part of a PEM text.
std::vector<std::string> parts(std::string_view pem) {
  std::vector<std::string> ders;
  for (;;) {
    const std::size_t begin = pem.find("-----BEGIN ");
    if (begin == pem.npos) return ders;
    pem.remove_prefix(pem.find('\n', begin));
    const std::size_t end = pem.find("-----END ");
    ders.push_back(*from_base64(pem.substr(0, end)));
    pem.remove_prefix(end);
  }
}

unsigned char* bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace

struct TlsRelay::Engine {
  std::vector<std::string> ders;
  std::vector<br_x509_certificate> chain;
  br_skey_decoder_context key;
  br_ssl_server_context server;
  unsigned char records[BR_SSL_BUFSIZE_BIDI];

  explicit Engine(const TlsIdentity& identity) : ders(parts(identity.chain)) {
    for (std::string& der : ders) chain.push_back({bytes(der), der.size()});
    br_skey_decoder_init(&key);
    for (std::string& der : parts(identity.key)) br_skey_decoder_push(&key, bytes(der), der.size());
    if (const br_rsa_private_key* rsa = br_skey_decoder_get_rsa(&key))
      br_ssl_server_init_full_rsa(&server, chain.data(), chain.size(), rsa);
    else
      br_ssl_server_init_full_ec(&server, chain.data(), chain.size(), BR_KEYTYPE_EC,
                                 br_skey_decoder_get_ec(&key));
    br_ssl_engine_set_buffer(&server.eng, records, sizeof records, 1);
    unsigned char seed[32];
    if (getrandom(seed, sizeof seed, 0) == sizeof seed)
      br_ssl_engine_inject_entropy(&server.eng, seed, sizeof seed);
    br_ssl_server_reset(&server);
  }
};

namespace {

bool readable(int fd, int stop) {
  pollfd fds[2] = {{fd, POLLIN, 0}, {stop, POLLIN, 0}};
  return poll(fds, 2, 20000) > 0 && fds[1].revents == 0;
}

bool send_records(br_ssl_engine_context* engine, int fd, std::size_t limit) {
  std::size_t size = 0;
  const unsigned char* data = br_ssl_engine_sendrec_buf(engine, &size);
  const ssize_t n = send(fd, data, std::min(size, limit), MSG_NOSIGNAL);
  if (n <= 0) return false;
  br_ssl_engine_sendrec_ack(engine, static_cast<std::size_t>(n));
  return true;
}

bool receive_records(br_ssl_engine_context* engine, int fd) {
  std::size_t size = 0;
  unsigned char* space = br_ssl_engine_recvrec_buf(engine, &size);
  const ssize_t n = recv(fd, space, size, 0);
  if (n <= 0) return false;
  br_ssl_engine_recvrec_ack(engine, static_cast<std::size_t>(n));
  return true;
}

void fail(TlsFault fault, int client, int stop) {
  constexpr std::string_view alert("\x15\x03\x03\x00\x02\x02\x28", 7);
  constexpr std::string_view garbage("454 4.7.0 TLS not available\r\n");
  char space[4096];
  if (!readable(client, stop) || recv(client, space, sizeof space, 0) <= 0) return;
  if (fault == TlsFault::alert) send(client, alert.data(), alert.size(), MSG_NOSIGNAL);
  if (fault == TlsFault::garbage) send(client, garbage.data(), garbage.size(), MSG_NOSIGNAL);
  if (fault != TlsFault::hang_up) readable(client, stop);  // until it has gone
}

}  // namespace

TlsRelay::TlsRelay(int client, int stop, const TlsIdentity& identity)
    : client_(client), stop_(stop), engine_(std::make_unique<Engine>(identity)) {
  if (identity.fault == TlsFault::cut) {
    constexpr std::size_t some = 100;
    br_ssl_engine_context* engine = &engine_->server.eng;
    while ((br_ssl_engine_current_state(engine) & BR_SSL_SENDREC) == 0)
      if (!readable(client_, stop_) || !receive_records(engine, client_)) return;
    send_records(engine, client_, some);
    return;
  }
  if (identity.fault != TlsFault::none) {
    fail(identity.fault, client, stop);
    return;
  }
  up_ = shake_hands();
  if (!up_) return;
  server_name_ = br_ssl_engine_get_server_name(&engine_->server.eng);
  FdPair pair = make_socketpair(SOCK_STREAM);
  clear_ = std::move(pair.first);
  inner_ = std::move(pair.second);
  thread_ = std::thread([this] { relay(); });
}

TlsRelay::~TlsRelay() {
  clear_.reset();
  if (thread_.joinable()) thread_.join();
}

bool TlsRelay::shake_hands() {
  br_ssl_engine_context* engine = &engine_->server.eng;
  for (;;) {
    const unsigned state = br_ssl_engine_current_state(engine);
    if ((state & BR_SSL_CLOSED) != 0) return false;
    if ((state & BR_SSL_SENDREC) != 0) {
      if (!send_records(engine, client_, ~std::size_t{0})) return false;
    } else if ((state & BR_SSL_SENDAPP) != 0) {
      return true;
    } else if (!readable(client_, stop_) || !receive_records(engine, client_)) {
      return false;
    }
  }
}

// Until one side has gone.
void TlsRelay::relay() {
  br_ssl_engine_context* engine = &engine_->server.eng;
  bool clear_open = true;
  for (;;) {
    const unsigned state = br_ssl_engine_current_state(engine);
    if ((state & BR_SSL_CLOSED) != 0) break;
    if ((state & BR_SSL_SENDREC) != 0) {
      if (!send_records(engine, client_, ~std::size_t{0})) break;
      continue;
    }
    if ((state & BR_SSL_RECVAPP) != 0) {
      std::size_t size = 0;
      const unsigned char* data = br_ssl_engine_recvapp_buf(engine, &size);
      const ssize_t n = send(inner_.get(), data, size, MSG_NOSIGNAL);
      if (n <= 0) break;
      br_ssl_engine_recvapp_ack(engine, static_cast<std::size_t>(n));
      continue;
    }
    if (!clear_open) break;
    pollfd fds[3] = {{inner_.get(), POLLIN, 0}, {client_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (poll(fds, 3, 20000) <= 0 || fds[2].revents != 0) break;
    if (fds[0].revents != 0 && (state & BR_SSL_SENDAPP) != 0) {
      std::size_t size = 0;
      unsigned char* space = br_ssl_engine_sendapp_buf(engine, &size);
      const ssize_t n = recv(inner_.get(), space, size, 0);
      if (n <= 0) {
        clear_open = false;
        br_ssl_engine_close(engine);
      } else {
        br_ssl_engine_sendapp_ack(engine, static_cast<std::size_t>(n));
        br_ssl_engine_flush(engine, 0);
      }
    } else if (fds[1].revents != 0 && !receive_records(engine, client_)) {
      break;
    }
  }
  shutdown(inner_.get(), SHUT_RDWR);
}

}  // namespace hato::test
