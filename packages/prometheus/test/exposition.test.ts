import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PrometheusError } from '../src/errors.ts'
import { parseExposition, parseSeries } from '../src/scrape/exposition.ts'

function read(text: string, openMetrics = false): unknown[] {
  return parseExposition(text, openMetrics).samples.map((sample) => {
    const { name, labels } = parseSeries(sample)
    return [name, [...labels], sample.value, sample.timeMs]
  })
}

test('lines of the text format are read as Prometheus reads them', () => {
  assert.deepEqual(
    read(
      [
        '# HELP http_requests_total The total number.',
        '# TYPE http_requests_total counter',
        'http_requests_total{method="post",code="200"} 1027 1395066363000',
        '  spaced {a = "b" , } \t 3 ',
        'no_labels 12.47',
        '',
        'empty{} 1e3',
        String.raw`escaped{path="C:\\DIR\\",error="Cannot find\n\"FILE\" }"} 1.458255915e9`,
        'weird{problem="division by zero"} +Inf -3982045',
        'nothing NaN\r',
        '{"a utf-8 name", b="c"} 5',
      ].join('\n'),
    ),
    [
      ['http_requests_total', ['method', 'post', 'code', '200'], 1027, 1_395_066_363_000],
      ['spaced', ['a', 'b'], 3, undefined],
      ['no_labels', [], 12.47, undefined],
      ['empty', [], 1000, undefined],
      [
        'escaped',
        ['path', 'C:\\DIR\\', 'error', 'Cannot find\n"FILE" }'],
        1_458_255_915,
        undefined,
      ],
      ['weird', ['problem', 'division by zero'], Number.POSITIVE_INFINITY, -3_982_045],
      ['nothing', [], Number.NaN, undefined],
      ['a utf-8 name', ['b', 'c'], 5, undefined],
    ],
  )
})

test('OpenMetrics has times in seconds, exemplars and an end', () => {
  assert.deepEqual(
    read(
      [
        '# TYPE foo histogram',
        'foo_bucket{le="0.01"} 0 # {trace_id="abc"} 0.004 1520879607.789',
        'foo_count 17 1520879607.789',
        '# EOF',
        'behind the end',
      ].join('\n'),
      true,
    ),
    [
      ['foo_bucket', ['le', '0.01'], 0, undefined],
      ['foo_count', [], 17, 1_520_879_607_789],
    ],
  )
})

test('what a metric is, is remembered', () => {
  const { metadata } = parseExposition(
    '# HELP up Whether it\\nis up.\n# TYPE up gauge\n# TYPE old untyped\n# anything else\nup 1\n',
  )
  assert.deepEqual(Object.fromEntries(metadata), {
    up: { type: 'gauge', help: 'Whether it\nis up.', unit: '' },
    old: { type: 'unknown', help: '', unit: '' },
  })
})

test('a malformed line is said with its number', () => {
  for (const [line, what] of [
    ['up', /line 2: expected a value, found ""/],
    ['up one', /line 2: expected a value, found "one"/],
    ['up 1 later', /line 2: expected a time, found "later"/],
    ['up{a="b" 1', /line 2: expected } behind the labels/],
    ['up{a="b', /line 2: unterminated label value/],
    ['up{a} 1', /line 2: expected = at column 5/],
    ['up{1a="b"} 1', /line 2: expected a label name at column 4/],
    ['{a="b"} 1', /line 2: expected a metric name/],
    ['a-b 1', /line 2: expected nothing at column 2/],
  ] as const)
    assert.throws(() => read(`ok 1\n${line}\n`), what)
})

test('any text is samples or an error', () => {
  const text = fc.string({ unit: fc.constantFrom(...'a1{}="\\, #\n\t.NEOF-é') })
  fc.assert(
    fc.property(text, fc.boolean(), (input, openMetrics) => {
      try {
        read(input, openMetrics)
      } catch (error) {
        assert.ok(error instanceof PrometheusError)
      }
    }),
    { numRuns: 2_000 },
  )
})
