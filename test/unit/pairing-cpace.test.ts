/** CPace against the vectors of draft-irtf-cfrg-cpace-21, appendices A and B.3 (ristretto255, SHA-512). */
import { createHash, createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  confirmations,
  generator,
  generatorString,
  lvCat,
  makeShare,
  sameBytes,
  sessionKey,
  sharedPoint,
} from '../../core/channel/pairing/cpace.ts'

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const text = (ascii: string): Uint8Array => new Uint8Array(Buffer.from(ascii, 'ascii'))
const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex')
const scalar = (littleEndian: string): bigint => BigInt(`0x${hex(bytes(littleEndian).reverse())}`)

const agreement = {
  secret: text('Password'),
  channel: bytes('0b415f696e69746961746f720b425f726573706f6e646572'),
  session: bytes('7e4b4791d6a8ef019b936c79fb7f2c57'),
}
const ya = scalar('da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08')
const yb = scalar('d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d')
const shareA = bytes('d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157')
const shareB = bytes('3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258')
const point = bytes('80b69a8a76457ab6a4d7f887a4bf6b55a2f80ac19c333f917a05fc9887c8b40f')
const key = bytes(
  'b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447',
)
const initiator = { share: shareA, data: text('ADa') }
const responder = { share: shareB, data: text('ADb') }

describe('vectors of the draft', () => {
  test('strings with their lengths (appendix A.1)', () => {
    expect(hex(lvCat(text('')))).toBe('00')
    expect(hex(lvCat(text('1234'), text('5'), text(''), text('6789')))).toBe('04313233340135000436373839')
    const long = Uint8Array.from({ length: 128 }, (_, i) => i)
    expect(hex(lvCat(long.subarray(0, 127))).slice(0, 4)).toBe('7f00')
    expect(hex(lvCat(long)).slice(0, 6)).toBe('800100')
  })

  test('generator (B.3.1)', () => {
    const string = generatorString(agreement)
    expect(string).toHaveLength(170)
    expect(createHash('sha512').update(string).digest('hex')).toBe(
      'da6d3ddc8802fca9058755ffd3ebde08a9c2c74945901a258482a288b6663af06bf645c93cd1c51512307199c80e84908916d983b34af77205f90851a657ee27',
    )
    expect(hex(generator(agreement).toBytes())).toBe('222b6b195fe84b1652badb6f6a3ae3d24341e7306967f0b8115b40d5698c7e56')
  })

  test('shares, common point and key (B.3.2 to B.3.5)', () => {
    expect(makeShare(agreement, ya).share).toEqual(shareA)
    expect(makeShare(agreement, yb).share).toEqual(shareB)
    expect(sharedPoint(ya, shareB)).toEqual(point)
    expect(sharedPoint(yb, shareA)).toEqual(point)
    expect(sessionKey(agreement.session, point, initiator, responder)).toEqual(key)
  })

  test('multiplication of an element, refusal of what is none and of the identity (B.3.10, B.3.11)', () => {
    const s = scalar('7cd0e075fa7955ba52c02759a6c90dbbfc10e6d40aea8d283e407d88cf538a05')
    expect(hex(sharedPoint(s, bytes('2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c')))).toBe(
      '7c13645fe790a468f62c39beb7388e541d8405d1ade69d1778c5fe3e7f6b600e',
    )
    const none = bytes('2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c')
    expect(() => sharedPoint(s, none)).toThrow(expect.objectContaining({ code: 'payload-invalid' }))
    expect(() => sharedPoint(s, new Uint8Array(32))).toThrow(expect.objectContaining({ code: 'payload-invalid' }))
  })
})

test('confirmations are MACs of the own share under a key of the session (section 10.4), written out', () => {
  const proofs = confirmations(agreement.session, key, initiator, responder)
  // The draft has no vector of these: a second derivation, byte by byte.
  const macKey = createHash('sha512')
    .update(Buffer.concat([Buffer.from('CPaceMac'), agreement.session, key]))
    .digest()
  const tag = (share: Uint8Array, data: string): string =>
    createHmac('sha512', macKey)
      .update(Buffer.concat([Buffer.of(32), share, Buffer.of(3), Buffer.from(data)]))
      .digest('hex')
  expect(hex(proofs.initiator)).toBe(tag(shareA, 'ADa'))
  expect(hex(proofs.responder)).toBe(tag(shareB, 'ADb'))
  expect(sameBytes(proofs.initiator, proofs.responder)).toBe(false)
  expect(sameBytes(proofs.initiator, proofs.initiator.slice(1))).toBe(false)
  expect(sameBytes(proofs.initiator, proofs.initiator.slice())).toBe(true)
})

test('another secret, channel or session gives another key', () => {
  const run = (theirs: Partial<typeof agreement>): boolean => {
    const other = { ...agreement, ...theirs }
    const [a, b] = [makeShare(agreement), makeShare(other)]
    const [A, B] = [
      { share: a.share, data: text('a') },
      { share: b.share, data: text('b') },
    ]
    const own = sessionKey(agreement.session, sharedPoint(a.scalar, b.share), A, B)
    return sameBytes(own, sessionKey(other.session, sharedPoint(b.scalar, a.share), A, B))
  }
  expect(run({})).toBe(true)
  expect(run({ secret: text('Passwore') })).toBe(false)
  expect(run({ channel: text('somewhere else') })).toBe(false)
  expect(run({ session: text('another day') })).toBe(false)
})

test('a share is fresh in every run', () => {
  const shares = new Set(Array.from({ length: 20 }, () => hex(makeShare(agreement).share)))
  expect(shares.size).toBe(20)
})
