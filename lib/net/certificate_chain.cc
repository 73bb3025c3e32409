#include "lib/net/certificate_chain.h"

#include <bearssl.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "lib/net/certificate.h"

namespace hato {

namespace {

constexpr std::int64_t seconds_per_day = 86400;
constexpr std::uint32_t days_before_1970 = 719528;  // BearSSL counts from January 1st of year 0

const unsigned char* bytes(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// An anchor in BearSSL's form; owns the bytes that the form points at.
struct Anchor {
  std::string name;
  std::unique_ptr<br_x509_decoder_context> decoder;  // the key lies in here
  br_x509_trust_anchor form{};
};

std::optional<Anchor> make_anchor(const CertificateDer& der) {
  Anchor anchor;
  anchor.decoder = std::make_unique<br_x509_decoder_context>();
  const auto add_to_name = [](void* name, const void* data, std::size_t size) {
    static_cast<std::string*>(name)->append(static_cast<const char*>(data), size);
  };
  br_x509_decoder_init(anchor.decoder.get(), add_to_name, &anchor.name);
  br_x509_decoder_push(anchor.decoder.get(), der.data(), der.size());
  const br_x509_pkey* key = br_x509_decoder_get_pkey(anchor.decoder.get());
  if (key == nullptr) return std::nullopt;
  anchor.form.flags = br_x509_decoder_isCA(anchor.decoder.get()) != 0 ? BR_X509_TA_CA : 0U;
  anchor.form.pkey = *key;
  return anchor;
}

// The certificates that lead from the first upwards, each one's issuer behind it. Servers send them in any
// order and with others between.
std::vector<const CertificateDer*> in_order(const CertificateChain& chain) {
  std::vector<std::optional<Certificate>> parsed;
  for (const CertificateDer& der : chain) parsed.push_back(Certificate::parse(der));
  std::vector<bool> used(chain.size());
  std::vector<const CertificateDer*> path;
  for (std::size_t at = 0; at < chain.size();) {
    used[at] = true;
    path.push_back(&chain[at]);
    const std::optional<Certificate>& here = parsed[at];
    at = 0;
    if (!here || here->self_issued()) break;
    while (at < chain.size() && (used[at] || !parsed[at] || parsed[at]->subject != here->issuer)) ++at;
  }
  return path;
}

unsigned run_engine(const std::vector<const CertificateDer*>& path, const std::vector<Anchor>& anchors,
                    std::int64_t now) {
  std::vector<br_x509_trust_anchor> forms;
  for (const Anchor& anchor : anchors) {
    forms.push_back(anchor.form);
    forms.back().dn.data = const_cast<unsigned char*>(bytes(anchor.name));
    forms.back().dn.len = anchor.name.size();
  }
  const auto engine = std::make_unique<br_x509_minimal_context>();
  br_x509_minimal_init(engine.get(), &br_sha256_vtable, forms.data(), forms.size());
  br_x509_minimal_set_rsa(engine.get(), br_rsa_pkcs1_vrfy_get_default());
  br_x509_minimal_set_ecdsa(engine.get(), br_ec_get_default(), br_ecdsa_vrfy_asn1_get_default());
  br_x509_minimal_set_hash(engine.get(), br_sha256_ID, &br_sha256_vtable);
  br_x509_minimal_set_hash(engine.get(), br_sha384_ID, &br_sha384_vtable);
  br_x509_minimal_set_hash(engine.get(), br_sha512_ID, &br_sha512_vtable);
  br_x509_minimal_set_time(engine.get(), static_cast<std::uint32_t>(now / seconds_per_day) + days_before_1970,
                           static_cast<std::uint32_t>(now % seconds_per_day));
  const br_x509_class** context = &engine->vtable;
  engine->vtable->start_chain(context, nullptr);
  for (const CertificateDer* der : path) {
    engine->vtable->start_cert(context, static_cast<std::uint32_t>(der->size()));
    engine->vtable->append(context, bytes(*der), der->size());
    engine->vtable->end_cert(context);
  }
  return engine->vtable->end_chain(context);
}

std::string problem_text(unsigned error) {
  switch (error) {
    case 0:
      return {};
    case BR_ERR_X509_EXPIRED:
      return "it has expired or is not valid yet";
    case BR_ERR_X509_NOT_TRUSTED:
      return "no authority that I know issued it";
    case BR_ERR_X509_BAD_SIGNATURE:
      return "a signature in its chain is wrong";
    case BR_ERR_X509_NOT_CA:
      return "one in its chain may not issue certificates";
    case BR_ERR_X509_WEAK_PUBLIC_KEY:
      return "a key in its chain is too short";
    case BR_ERR_X509_UNSUPPORTED:
    case BR_ERR_X509_CRITICAL_EXTENSION:
      return "something in its chain is beyond me (BearSSL " + std::to_string(error) + ")";
    default:
      return "its chain is damaged (BearSSL " + std::to_string(error) + ")";
  }
}

}  // namespace

std::string chain_problem(const CertificateChain& chain, const std::vector<CertificateDer>& ders,
                          std::int64_t now) {
  if (chain.empty()) return "there is none";
  std::vector<Anchor> anchors;
  for (const CertificateDer& der : ders)
    if (std::optional<Anchor> anchor = make_anchor(der)) anchors.push_back(std::move(*anchor));
  const std::vector<const CertificateDer*> path = in_order(chain);
  const unsigned error = run_engine(path, anchors, now);
  if (error == BR_ERR_X509_NOT_TRUSTED && path.size() == 1) {
    const std::optional<Certificate> only = Certificate::parse(*path[0]);
    if (only && only->self_issued()) return "it is self-signed";
  }
  return problem_text(error);
}

}  // namespace hato
