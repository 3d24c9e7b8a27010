/** Makes self-signed certificates with @peculiar/x509. Loaded only when one is needed: it takes a while. */
import { randomBytes } from 'node:crypto'
import 'reflect-metadata' // @peculiar/x509 refuses to load without it
import * as x509 from '@peculiar/x509'

/**
 * A fresh ECDSA P-256 key and a certificate for it, both PEM. The certificate names nothing and nobody, and has no
 * end: peers trust it by its fingerprint (RFC 5280 section 4.1.2.5 has the date that stands for no expiry).
 */
export async function makeCertificate(): Promise<{ certificate: string; privateKey: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  // A serial number is positive and has no leading zero byte.
  const serial = randomBytes(16)
  serial[0] = (serial[0] & 0x7f) | 0x40
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial.toString('hex'),
    name: 'CN=adyton',
    notBefore: new Date('2020-01-01T00:00:00Z'),
    notAfter: new Date('9999-12-31T23:59:59Z'),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    ],
  })
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  return {
    certificate: `${certificate.toString('pem').trim()}\n`,
    privateKey: `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY').trim()}\n`,
  }
}
