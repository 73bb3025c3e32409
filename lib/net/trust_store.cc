#include "lib/net/trust_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/mail/base64.h"
#include "lib/net/certificate.h"

namespace hato {

namespace {

constexpr std::string_view begin_line = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view end_line = "-----END CERTIFICATE-----";

}  // namespace

TrustStore::TrustStore(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    file_ = try_open(path, O_RDONLY);
    if (file_) return;
    if (errno != ENOENT) throw_errno("open " + path);
  }
}

std::vector<CertificateDer> TrustStore::issuers_of(const CertificateChain& chain) const {
  if (!file_) return {};
  constexpr std::string_view what = "certificates of authorities";
  struct stat status {};
  if (fstat(file_.get(), &status) != 0) throw_errno(what);
  const std::size_t size = std::min(static_cast<std::size_t>(status.st_size), max_trust_file);
  return issuers_in_pem(pread_some(file_.get(), size, 0, what), chain);
}

std::vector<CertificateDer> issuers_in_pem(std::string_view pem, const CertificateChain& chain) {
  std::vector<std::string_view> wanted;
  for (const CertificateDer& der : chain)
    if (const std::optional<Certificate> certificate = Certificate::parse(der))
      wanted.push_back(certificate->issuer);
  std::vector<CertificateDer> found;
  for (;;) {
    const std::size_t begin = pem.find(begin_line);
    if (begin == pem.npos) return found;
    pem.remove_prefix(begin + begin_line.size());
    const std::size_t end = pem.find(end_line);
    if (end == pem.npos) return found;
    std::optional<std::string> der = from_base64(pem.substr(0, end));
    if (!der) continue;
    const std::optional<Certificate> certificate = Certificate::parse(*der);
    if (certificate && std::find(wanted.begin(), wanted.end(), certificate->subject) != wanted.end())
      found.push_back(std::move(*der));
  }
}

}  // namespace hato
