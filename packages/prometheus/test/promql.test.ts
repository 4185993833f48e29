import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { PrometheusError } from '../src/errors.ts'
import { Labels, type Matcher } from '../src/labels.ts'
import { Engine } from '../src/promql/engine.ts'
import { parseQuery } from '../src/promql/parser.ts'
import { joinSamples, type SeriesSamples } from '../src/storage/samples.ts'

/** Series with a value every 10 s from time 0, as Prometheus's own tests load them. */
function engineOf(series: Readonly<Record<string, readonly number[]>>): Engine {
  const stored = Object.entries(series).map(([text, values]): SeriesSamples => {
    const { matchers } = parseQuery(text) as { matchers: readonly Matcher[] }
    return {
      labels: Labels.from(Object.fromEntries(matchers.map(({ name, value }) => [name, value]))),
      samples: {
        timesMs: Float64Array.from(values, (_, index) => index * 10_000),
        values: Float64Array.from(values),
        stale: new Uint8Array(values.length),
      },
    }
  })
  return new Engine(
    {
      select: async (matchers, minMs, maxMs) =>
        stored
          .filter(({ labels }) =>
            matchers.every((matcher) => matcher.matches(labels.get(matcher.name))),
          )
          .map(({ labels, samples }) => ({
            labels,
            samples: joinSamples([samples], minMs, maxMs),
          })),
    },
    { lookbackMs: 300_000, timeoutMs: 10_000, defaultStepMs: 10_000, maxSamples: 1_000_000 },
  )
}

const engine = engineOf({
  'http_requests{job="api",instance="0",group="production"}': [0, 10, 20, 30, 40, 50, 60],
  'http_requests{job="api",instance="1",group="production"}': [0, 20, 40, 60, 80, 100, 120],
  'http_requests{job="app",instance="0",group="canary"}': [0, 30, 60, 90, 120, 150, 180],
  'limit{job="api"}': [100, 100, 100, 100, 100, 100, 100],
  resetting: [0, 10, 20, 0, 10, 20, 30],
  'latency_bucket{le="0.1"}': [1, 1, 1, 1, 1, 1, 10],
  'latency_bucket{le="0.5"}': [1, 1, 1, 1, 1, 1, 60],
  'latency_bucket{le="+Inf"}': [1, 1, 1, 1, 1, 1, 100],
})

/** The answer at 60 s as lines `{labels} value`, sorted. */
async function at60(query: string): Promise<string[]> {
  const result = await engine.instant(query, 60_000)
  if (result.type === 'scalar') return [String(result.value)]
  if (result.type !== 'vector') throw new Error(`a ${result.type}`)
  return result.samples.map(({ labels, value }) => `${labels} ${value}`).toSorted()
}

const cases: readonly [query: string, expected: readonly string[]][] = [
  ['1 + 2 * 3 ^ 2 ^ 0', ['7']],
  ['-2 ^ 2', ['-4']],
  ['5 > bool 4', ['1']],
  ['sum(http_requests)', ['{} 360']],
  ['sum by (job) (http_requests)', ['{job="api"} 180', '{job="app"} 180']],
  ['sum without (instance, group) (http_requests)', ['{job="api"} 180', '{job="app"} 180']],
  ['count(http_requests > 100)', ['{} 2']],
  ['topk(1, http_requests)', ['http_requests{group="canary", instance="0", job="app"} 180']],
  ['quantile(0.5, http_requests)', ['{} 120']],
  ['http_requests{instance=~"[1-9]"} * 2', ['{group="production", instance="1", job="api"} 240']],
  [
    'http_requests / on (job) group_left limit',
    [
      '{group="production", instance="0", job="api"} 0.6',
      '{group="production", instance="1", job="api"} 1.2',
    ],
  ],
  ['sum by (job) (http_requests) > on (job) limit', ['{job="api"} 180']],
  ['limit and on (job) http_requests{group="canary"}', []],
  ['limit unless on (job) http_requests{group="canary"}', ['limit{job="api"} 100']],
  ['rate(resetting[60s])', ['{} 0.8']],
  ['increase(resetting[60s])', ['{} 48']],
  ['irate(resetting[60s])', ['{} 1']],
  ['delta(limit[60s])', ['{job="api"} 0']],
  ['resets(resetting[2m])', ['{} 1']],
  ['changes(limit[2m])', ['{job="api"} 0']],
  ['avg_over_time(resetting[25s])', ['{} 20']],
  [
    'max_over_time(http_requests{job="app"}[2m] offset 30s)',
    ['{group="canary", instance="0", job="app"} 90'],
  ],
  ['limit @ 0', ['limit{job="api"} 100']],
  ['max_over_time(sum(http_requests)[1m:10s])', ['{} 360']],
  ['histogram_quantile(0.5, latency_bucket)', ['{} 0.42000000000000004']],
  [
    'label_replace(limit, "service", "$1-service", "job", "(.*)")',
    ['limit{job="api", service="api-service"} 100'],
  ],
  ['absent(nothing{job="x"})', ['{job="x"} 1']],
  ['vector(1) or limit', ['limit{job="api"} 100', '{} 1'].toSorted()],
  ['scalar(limit) + time()', ['160']],
  ['clamp_max(limit, 50)', ['{job="api"} 50']],
  ['round(limit / 3, 0.5)', ['{job="api"} 33.5']],
  ['count_values("value", limit)', ['{value="100"} 1']],
  [
    'predict_linear(http_requests{job="app"}[1m], 10)',
    ['{group="canary", instance="0", job="app"} 210'],
  ],
]

for (const [query, expected] of cases)
  test(`${query} answers as Prometheus does`, async () => {
    assert.deepEqual(await at60(query), expected)
  })

const refusals: readonly [query: string, message: RegExp][] = [
  ['', /no expression found in input/],
  ['sum(', /1:5: parse error: unexpected end of input/],
  ['rate(x)', /expected type range vector in call to function "rate", got instant vector/],
  ['{}', /vector selector must contain at least one non-empty matcher/],
  ['1 == 1', /comparisons between scalars must use BOOL modifier/],
  ['x{a="b"', /unexpected end of input/],
  ['holt_winters(x[1m], 1, 1)', /function is not supported yet "holt_winters"/],
  ['frobnicate(x)', /unknown function with name "frobnicate"/],
  ['x[5m] + 1', /binary expression must contain only scalar and instant vector types/],
]

for (const [query, message] of refusals)
  test(`${JSON.stringify(query)} is refused with the reason`, () => {
    assert.throws(() => parseQuery(query), message)
  })

test('many-to-many matching is refused', async () => {
  await assert.rejects(
    engine.instant('http_requests + on (job) http_requests', 60_000),
    /many-to-many matching not allowed/,
  )
})

test('a range query gives a point for each step', async () => {
  const [series] = await engine.range('limit', 0, 60_000, 20_000)
  assert.deepEqual(
    series?.points,
    [0, 20_000, 40_000, 60_000].map((timeMs) => [timeMs, 100]),
  )
})

test('any text is an expression or a parse error', () => {
  const word = fc.constantFrom(
    'sum',
    '(',
    ')',
    '{',
    '}',
    '[',
    ']',
    'x',
    '1',
    '5m',
    '"a"',
    '=',
    '=~',
    'by',
    '-',
    '@',
    'offset',
    ',',
    ':',
    'bool',
    '>',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
      ),
      (text) => {
        try {
          parseQuery(text)
        } catch (error) {
          assert.ok(error instanceof PrometheusError, String(error))
        }
      },
    ),
    { numRuns: 500 },
  )
})
