import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseJdbcUrl } from '../src/connectors/jdbc/connection.ts'
import { decimalBytes, decimalSchema, decimalText } from '../src/connectors/jdbc/values.ts'

describe('values of databases', () => {
  test('decimals keep their digits', () => {
    fc.assert(
      fc.property(fc.bigInt(), fc.integer({ min: 0, max: 130 }), (unscaled, scale) => {
        const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
        const whole = digits.slice(0, digits.length - scale)
        const text = `${unscaled < 0n ? '-' : ''}${whole}${scale === 0 ? '' : `.${digits.slice(-scale)}`}`
        assert.equal(decimalText(decimalBytes(text, scale), decimalSchema(scale, true)), text)
      }),
    )
    // As Java's BigInteger writes them.
    assert.equal(Buffer.from(decimalBytes('1.28', 2)).toString('hex'), '0080')
    assert.equal(Buffer.from(decimalBytes('-1.28', 2)).toString('hex'), '80')
    assert.equal(Buffer.from(decimalBytes('0', 0)).toString('hex'), '00')
  })

  test('a JDBC URL is read, and what it cannot mean here is refused by name', () => {
    assert.deepEqual(parseJdbcUrl('jdbc:sqlite:/data/a b.db'), {
      kind: 'sqlite',
      file: '/data/a b.db',
    })
    assert.deepEqual(parseJdbcUrl('jdbc:postgresql://db/iot?currentSchema=plant'), {
      kind: 'postgresql',
      host: 'db',
      port: 5432,
      database: 'iot',
      parameters: { currentSchema: 'plant' },
    })
    for (const [url, message] of [
      ['jdbc:mysql://db/iot', /expected jdbc:postgresql:/],
      ['jdbc:postgresql://db/iot?socketTimeout=1', /parameter socketTimeout in the URL/],
      ['jdbc:postgresql://db/iot?sslmode=prefer', /sslmode prefer is not known/],
      ['jdbc:sqlite:x?cache=shared', /parameters in the URL of SQLite/],
    ] as const)
      assert.throws(() => parseJdbcUrl(url), { code: 'CONNECT_CONFIG', message })
  })
})
