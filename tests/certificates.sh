#!/bin/sh
# certificates.sh DIR [START [END]]: certificates for tests below DIR, NAME.pem with NAME.key: a root, an authority in
# the middle, and what servers might show (good, rsa, expired, self-signed, for another name). Valid from 2020 to 2099,
# or from START to END (YYYYMMDDHHMMSSZ). Those in tests/certificates.h were made with it.
set -e
dir=$1 start=${2:-20200101000000Z} end=${3:-20991231235959Z}
mkdir -p "$dir"
cd "$dir"
conf() { cat <<C
[ca]
default_ca = it
[it]
database = $PWD/index.txt
serial = $PWD/serial
new_certs_dir = $PWD
default_md = sha256
policy = any
copy_extensions = none
unique_subject = no
rand_serial = yes
[any]
commonName = supplied
C
}
conf > ca.cnf; : > index.txt
key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key; }
sign() { # NAME CN ISSUER EXT [START END]
 printf '%s\n' "$4" > $1.ext
 openssl req -new -key $1.key -subj "/CN=$2" -out $1.csr 2>/dev/null
 if [ "$3" = self ]; then how="-selfsign -keyfile $1.key"; else how="-cert $3.pem -keyfile $3.key"; fi
 openssl ca -batch -notext -config ca.cnf $how -in $1.csr -out $1.pem -extfile $1.ext -startdate ${5:-$start} -enddate ${6:-$end} 2>/dev/null
}
ca="basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash"
leaf="basicConstraints=CA:FALSE
keyUsage=digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth"
key root; sign root "Test Root" self "$ca"
key middle; sign middle "Test Middle" root "$ca"
key good; sign good mx.test middle "$leaf
subjectAltName=DNS:mx.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1"
key expired; sign expired mx.test middle "$leaf
subjectAltName=DNS:mx.test" 20200101000000Z 20210101000000Z
key self; sign self mx.test self "$leaf
subjectAltName=DNS:mx.test"
key other; sign other other.test middle "$leaf
subjectAltName=DNS:other.test"
openssl genrsa -out rsa.key 2048 2>/dev/null; sign rsa mx.test root "$leaf
subjectAltName=DNS:mx.test"
