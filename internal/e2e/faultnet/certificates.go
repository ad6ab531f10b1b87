package faultnet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Certificates are certificates for bubbles, whose time begins in 2000.
type Certificates struct {
	Roots                                      *x509.CertPool
	Good, Expired, OtherHost, UnknownAuthority tls.Certificate
}

// makeCertificates makes the certificates once.
var makeCertificates = sync.OnceValues(func() (c Certificates, err error) {
	var (
		key                 *ecdsa.PrivateKey
		authority, stranger *x509.Certificate
		year                      = func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
		serial              int64 = 1
		sign                      = func(template, parent *x509.Certificate) (tls.Certificate, *x509.Certificate, error) {
			template.SerialNumber = big.NewInt(serial)
			serial++
			if parent == nil {
				parent = template
			}
			der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, key)
			if err != nil {
				return tls.Certificate{}, nil, err
			}
			parsed, err := x509.ParseCertificate(der)
			return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, parsed, err
		}
		ca = func(name string) *x509.Certificate {
			return &x509.Certificate{
				Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
				NotBefore: year(1990), NotAfter: year(2190), KeyUsage: x509.KeyUsageCertSign,
			}
		}
		leaf = func(host string, until int) *x509.Certificate {
			return &x509.Certificate{
				Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: year(1991), NotAfter: year(until),
				ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			}
		}
	)
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return c, err
	}
	if _, authority, err = sign(ca("authority"), nil); err != nil {
		return c, err
	}
	if _, stranger, err = sign(ca("stranger"), nil); err != nil {
		return c, err
	}
	c.Roots = x509.NewCertPool()
	c.Roots.AddCert(authority)
	var errs [4]error
	c.Good, _, errs[0] = sign(leaf("api.test", 2180), authority)
	c.Expired, _, errs[1] = sign(leaf("api.test", 1999), authority)
	c.OtherHost, _, errs[2] = sign(leaf("other.test", 2180), authority)
	c.UnknownAuthority, _, errs[3] = sign(leaf("api.test", 2180), stranger)
	return c, errors.Join(errs[:]...)
})

// MakeCertificates returns the certificates, which are made once.
func MakeCertificates(t *testing.T) Certificates {
	t.Helper()
	certs, err := makeCertificates()
	require.NoError(t, err)
	return certs
}
