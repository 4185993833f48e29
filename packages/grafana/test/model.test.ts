import assert from 'node:assert/strict'
import test from 'node:test'
import { applyOverrides } from '../src/model/field-config.ts'
import { readDashboard } from '../src/model/read-dashboard.ts'
import { alignSeries, calculate, seriesOf, tableOf } from '../src/model/series.ts'
import { displayOf, stepOf, toneOf } from '../src/model/thresholds.ts'
import { parseTime } from '../src/model/time-range.ts'
import { transformTable } from '../src/model/transformations.ts'
import { formatText, formatValue, unitLabel } from '../src/model/units.ts'
import { interpolate, optionsOf, readVariableQuery } from '../src/model/variables.ts'

test('values are written in units with sensible rounding', () => {
  const cases: [number, string, number | undefined, string][] = [
    [28.234, 'celsius', undefined, '28.2\u202f°C'],
    [0.5, 'percentunit', undefined, '50\u202f%'],
    [1_012.84, 'pressurehpa', 1, '1,012.8 hPa'],
    [58_200, 'lux', undefined, '58.2 klx'],
    [4_300_000, 'bytes', undefined, '4.10 MiB'],
    [1_500, 'Bps', undefined, '1.50 kB/s'],
    [0.842, 's', undefined, '842 ms'],
    [93, 's', undefined, '1.55 min'],
    [1_234_567, 'short', undefined, '1.23 M'],
    [1_234_567, 'none', undefined, '1,234,567'],
    [-0.00001, 'none', 2, '0.00'],
    [3, 'suffix:/s', undefined, '3 /s'],
    [3, 'furlongs', undefined, '3 furlongs'],
  ]
  for (const [value, unit, decimals, wanted] of cases)
    assert.equal(formatText(value, unit, decimals), wanted, `${value} ${unit}`)
  assert.equal(formatText(null, 'celsius'), '–')
  assert.equal(formatValue(1, 'bool_yes_no').text, 'Yes')
  assert.deepEqual([unitLabel('celsius'), unitLabel('lux'), unitLabel('ms')], ['°C', 'lx', ''])
})

test('times are read as Grafana writes them', () => {
  const nowMs = Date.UTC(2026, 0, 31, 8, 30, 15)
  const utc = { timeZone: 'utc' } as const
  assert.equal(parseTime('now', nowMs), nowMs)
  assert.equal(parseTime('now-15m', nowMs), nowMs - 900_000)
  assert.equal(parseTime('now/d', nowMs, utc), Date.UTC(2026, 0, 31))
  assert.equal(parseTime('now-1d/d', nowMs, { ...utc, roundUp: true }), Date.UTC(2026, 0, 31) - 1)
  assert.equal(parseTime('1769848200000', nowMs), 1_769_848_200_000)
  for (const bad of ['now-', 'now-5', 'nowish', 'yesterday', ''])
    assert.equal(parseTime(bad, nowMs), undefined, bad)
})

test('rows and spans of schema 12 are laid out on the grid', () => {
  const { panels } = readDashboard({
    schemaVersion: 12,
    rows: [
      {
        height: '150px',
        panels: [
          { id: 1, type: 'singlestat', span: 6, title: 'a' },
          { id: 2, type: 'singlestat', span: 6, title: 'b' },
          { id: 3, type: 'graph', span: 12, title: 'c' },
        ],
      },
      { title: 'More', collapse: true, height: 250, panels: [{ id: 4, type: 'graph', span: 4 }] },
    ],
  })
  assert.deepEqual(
    panels.map(({ kind, grid: { x, y, w, h } }) => [kind, x, y, w, h]),
    [
      ['stat', 0, 0, 12, 4],
      ['stat', 12, 0, 12, 4],
      ['timeseries', 0, 4, 24, 4],
      ['row', 0, 8, 24, 1],
    ],
  )
  assert.equal(panels[3]?.collapsed, true)
  assert.equal(panels[3]?.panels[0]?.id, 4)
})

test('graph and singlestat become the panels that replaced them', () => {
  const { panels } = readDashboard({
    schemaVersion: 26,
    panels: [
      {
        id: 1,
        type: 'graph',
        datasource: 'Prometheus',
        gridPos: { x: 0, y: 0, w: 24, h: 9 },
        lines: true,
        points: true,
        fill: 1,
        linewidth: 1,
        pointradius: 2,
        nullPointMode: 'null',
        legend: {
          show: true,
          alignAsTable: true,
          rightSide: true,
          values: true,
          min: true,
          avg: true,
          current: true,
        },
        tooltip: { shared: true },
        yaxes: [{ format: 'celsius', min: '-5', max: '35', label: 'Grados' }, {}],
        seriesOverrides: [{ alias: '/two/', yaxis: 2 }],
        targets: [
          {
            expr: 'sample_sensor_metric_temperature',
            intervalFactor: 3,
            legendFormat: '{{sensor_name}}',
          },
        ],
      },
      {
        id: 2,
        type: 'singlestat',
        format: 'percent',
        valueName: 'current',
        thresholds: '65, 90',
        colorValue: true,
        colors: ['#299c46', 'rgba(237, 129, 40, 0.89)', '#d44a3a'],
        gauge: { show: true, minValue: 0, maxValue: 100, thresholdMarkers: true },
        valueMaps: [{ op: '=', text: 'N/A', value: 'null' }],
      },
    ],
  })
  const [gauge, graph] = [panels.find(({ id }) => id === 2)!, panels.find(({ id }) => id === 1)!]
  assert.equal(graph.kind, 'timeseries')
  assert.deepEqual(
    [graph.defaults.unit, graph.defaults.min, graph.defaults.max],
    ['celsius', -5, 35],
  )
  assert.deepEqual(graph.options.legend, {
    show: true,
    mode: 'table',
    placement: 'right',
    calcs: ['min', 'mean', 'lastNotNull'],
  })
  assert.equal(graph.defaults.custom.showPoints, 'always')
  const overridden = applyOverrides(graph.defaults, graph.overrides, {
    name: 'two',
    refId: 'A',
    type: 'number',
  })
  assert.equal(overridden.custom.axisRight, true)
  assert.equal(gauge.kind, 'gauge')
  assert.equal(gauge.options.calcs[0], 'lastNotNull')
  assert.deepEqual(
    [50, 70, 95].map((value) => displayOf(value, gauge.defaults).tone),
    ['neutral', 'warn', 'critical'],
  )
  assert.equal(displayOf(null, gauge.defaults).text, 'N/A')
})

test('panels of kinds that are not drawn keep their place and say what they are', () => {
  const { panels } = readDashboard({
    panels: [
      { id: 1, type: 'geomap', gridPos: { x: 0, y: 0, w: 12, h: 8 } },
      { id: 2, type: 'piechart', gridPos: { x: 12, y: 0, w: 12, h: 8 } },
    ],
  })
  assert.deepEqual(
    panels.map(({ kind, sourceType, notes }) => [kind, sourceType, notes]),
    [
      ['unsupported', 'geomap', []],
      ['bargauge', 'piechart', ['drawnAsBars']],
    ],
  )
})

test('anything at all is read without a throw', () => {
  for (const json of [
    null,
    7,
    'x',
    [],
    { panels: 'x' },
    { panels: [null, 3, { targets: {} }] },
    { rows: [{ panels: [1] }] },
    { templating: { list: [null] } },
  ])
    assert.ok(Array.isArray(readDashboard(json).panels))
})

test('thresholds hold from their value on, in the unit or in percent of the range', () => {
  const steps = [
    { value: Number.NEGATIVE_INFINITY, color: 'green' },
    { value: 50, color: 'orange' },
    { value: 80, color: 'red' },
  ]
  assert.equal(stepOf(49.9, { mode: 'absolute', steps })?.color, 'green')
  assert.equal(stepOf(50, { mode: 'absolute', steps })?.color, 'orange')
  assert.equal(stepOf(45, { mode: 'percentage', steps }, 0, 50)?.color, 'red')
  assert.deepEqual(
    [toneOf('semi-dark-red'), toneOf('#EAB839'), toneOf('blue')],
    ['critical', 'warn', 'neutral'],
  )
})

test('variables are filled in, several values as a regular expression', () => {
  const variable = {
    name: 'sensor',
    label: 'Sensor',
    kind: 'query',
    query: '',
    regex: '',
    datasource: undefined,
    multiple: true,
    includeAll: true,
    allValue: '',
    hidden: false,
    current: [],
    options: [
      { text: 'a.1', value: 'a.1' },
      { text: 'b', value: 'b' },
    ],
  } as const
  const fill = (text: string, sensor: string[]): string =>
    interpolate(text, [variable], { sensor }, { fromMs: 0, toMs: 60_000, intervalMs: 15_000 })
  assert.equal(fill('x{s=~"$sensor"}', ['a.1']), 'x{s=~"a\\\\.1"}')
  assert.equal(fill('x{s=~"$sensor"}', ['a.1', 'b']), 'x{s=~"(a\\\\.1|b)"}')
  assert.equal(fill('x{s=~"[[sensor]]"}', ['$__all']), 'x{s=~"(a\\\\.1|b)"}')
  assert.equal(fill('[[sensor:csv]]', ['a.1', 'b']), 'a.1,b')
  assert.equal(fill('rate(x[$__interval])[$__range] $unknown', []), 'rate(x[15s])[60s] $unknown')
})

test('queries of variables and their regular expressions are understood', () => {
  assert.deepEqual(readVariableQuery('label_values(up{job=~"a,b"}, instance)'), {
    kind: 'labelValues',
    label: 'instance',
    selector: 'up{job=~"a,b"}',
  })
  assert.deepEqual(readVariableQuery('label_values(job)'), {
    kind: 'labelValues',
    label: 'job',
    selector: undefined,
  })
  assert.equal(readVariableQuery('SELECT 1'), undefined)
  assert.deepEqual(optionsOf(['n10:1', 'n9:1', 'x'], '/(n\\d+):/'), [
    { text: 'n9', value: 'n9' },
    { text: 'n10', value: 'n10' },
  ])
})

const frame = (name: string, times: number[], values: (number | null)[], interval = 10) => ({
  schema: {
    refId: 'A',
    fields: [
      { name: 'Time', type: 'time' },
      {
        name: 'Value',
        type: 'number',
        labels: { name },
        config: { displayNameFromDS: name, interval },
      },
    ],
  },
  data: { values: [times, values] },
})

test('series are laid on one time axis, and gaps stay gaps', () => {
  const series = seriesOf([frame('a', [0, 10, 40], [1, 2, 3]), frame('b', [10], [9])])
  const { times, columns } = alignSeries(series)
  assert.deepEqual(times, [0, 10, 20, 40])
  assert.deepEqual(columns[0], [1, 2, null, 3])
  assert.deepEqual(columns[1], [undefined, 9, undefined, undefined])
})

test('calculations are those of Grafana', () => {
  const values = [3, null, 1, 2]
  const results = [
    'last',
    'lastNotNull',
    'mean',
    'min',
    'max',
    'sum',
    'first',
    'range',
    'diff',
    'delta',
    'median',
    'count',
  ].map((calc) => calculate(calc, values))
  assert.deepEqual(results, [2, 2, 2, 1, 3, 6, 3, 2, -1, 2, 2, 4])
  assert.equal(calculate('mean', [null]), null)
})

test('a table is organized: fields hidden, renamed and ordered', () => {
  const table = tableOf([frame('a', [1], [5]), frame('b', [1], [6])])
  assert.deepEqual(
    table.columns.map(({ name }) => name),
    ['Time', 'name', 'Value'],
  )
  const organized = transformTable(table, [
    {
      id: 'organize',
      options: {
        excludeByName: { Time: true },
        indexByName: { Value: 0, name: 1 },
        renameByName: { Value: 'Degrees' },
      },
    },
    { id: 'sortBy', options: { sort: [{ field: 'Degrees', desc: true }] } },
  ])
  assert.deepEqual(
    organized.columns.map(({ name, values }) => [name, values]),
    [
      ['Degrees', [6, 5]],
      ['name', ['b', 'a']],
    ],
  )
})
