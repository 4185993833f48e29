import { isTrue, type Json, listOf, numberOf, objectOf, textOf } from './json-access.ts'

/**
 * Turns panels that Grafana itself no longer shows into what replaced them: `graph` into
 * `timeseries`, `singlestat` into `stat` or `gauge`, and text of before version 8. Others are given
 * back as they are.
 */
export function upgradePanel(json: Json): Json {
  switch (json.type) {
    case 'graph':
      return upgradeGraph(json)
    case 'singlestat':
    case 'grafana-singlestat-panel':
      return upgradeSingleStat(json)
    case 'text':
      return json.options === undefined
        ? {
            ...json,
            options: { mode: textOf(json.mode, 'markdown'), content: textOf(json.content) },
          }
        : json
    case 'gauge':
    case 'bargauge':
    case 'stat':
      return upgradeFieldOptions(json)
    case 'table':
      return Array.isArray(json.styles) ? { ...json, type: 'table' } : json
    default:
      return json
  }
}

const legendCalcs: readonly (readonly [string, string])[] = [
  ['min', 'min'],
  ['max', 'max'],
  ['avg', 'mean'],
  ['current', 'lastNotNull'],
  ['total', 'sum'],
]

function upgradeGraph(json: Json): Json {
  const [left = {}, right = {}] = listOf(json.yaxes).map(objectOf)
  const legend = objectOf(json.legend)
  const tooltip = objectOf(json.tooltip)
  const stacked = isTrue(json.stack)
  const overrides = listOf(json.seriesOverrides)
    .map(objectOf)
    .map((each) => {
      const alias = textOf(each.alias)
      const isPattern = /^\/.*\/[a-z]*$/.test(alias)
      const properties: Json[] = []
      if (numberOf(each.yaxis) === 2) {
        properties.push({ id: 'custom.axisPlacement', value: 'right' })
        if (right.format) properties.push({ id: 'unit', value: right.format })
      }
      if (each.color)
        properties.push({ id: 'color', value: { mode: 'fixed', fixedColor: each.color } })
      if (each.bars === true) properties.push({ id: 'custom.drawStyle', value: 'bars' })
      if (each.fill !== undefined)
        properties.push({ id: 'custom.fillOpacity', value: (numberOf(each.fill) ?? 0) * 10 })
      if (isTrue(each.dashes)) properties.push({ id: 'custom.lineStyle', value: { fill: 'dash' } })
      if (each.legend === false || each.lines === false)
        properties.push({ id: 'custom.showPoints', value: 'always' })
      return { matcher: { id: isPattern ? 'byRegexp' : 'byName', options: alias }, properties }
    })
  for (const [alias, fixedColor] of Object.entries(objectOf(json.aliasColors)))
    overrides.push({
      matcher: { id: 'byName', options: alias },
      properties: [{ id: 'color', value: { mode: 'fixed', fixedColor } }],
    })
  const thresholds = listOf(json.thresholds).map(objectOf)
  return {
    ...json,
    type: 'timeseries',
    fieldConfig: {
      defaults: {
        ...objectOf(objectOf(json.fieldConfig).defaults),
        unit: textOf(left.format, 'short'),
        min: left.min,
        max: left.max,
        decimals: json.decimals ?? left.decimals,
        thresholds: {
          mode: 'absolute',
          steps: [
            { value: null, color: 'green' },
            ...thresholds.map(({ value, colorMode }) => ({
              value,
              color:
                colorMode === 'critical' ? 'red' : colorMode === 'warning' ? 'orange' : 'green',
            })),
          ],
        },
        custom: {
          drawStyle: isTrue(json.bars) ? 'bars' : json.lines === false ? 'points' : 'line',
          lineWidth: numberOf(json.linewidth) ?? 1,
          fillOpacity: (numberOf(json.fill) ?? 1) * 10,
          lineInterpolation: isTrue(json.steppedLine) ? 'stepAfter' : 'linear',
          showPoints: isTrue(json.points) ? 'always' : 'never',
          pointSize: (numberOf(json.pointradius) ?? 2) * 2,
          spanNulls: json.nullPointMode === 'connected',
          stacking: { mode: stacked ? (isTrue(json.percentage) ? 'percent' : 'normal') : 'none' },
          axisLabel: textOf(left.label),
          axisPlacement: left.show === false ? 'hidden' : 'auto',
          thresholdsStyle: { mode: thresholds.length > 0 ? 'line' : 'off' },
        },
      },
      overrides,
    },
    options: {
      legend: {
        showLegend: legend.show !== false,
        displayMode: isTrue(legend.alignAsTable) ? 'table' : 'list',
        placement: isTrue(legend.rightSide) ? 'right' : 'bottom',
        calcs: isTrue(legend.values)
          ? legendCalcs.filter(([name]) => isTrue(legend[name])).map(([, calc]) => calc)
          : [],
      },
      tooltip: { mode: isTrue(tooltip.shared) ? 'multi' : 'single' },
    },
  }
}

const valueNames: Readonly<Record<string, string>> = {
  avg: 'mean',
  current: 'lastNotNull',
  total: 'sum',
  name: 'lastNotNull',
  min: 'min',
  max: 'max',
  first: 'first',
  delta: 'delta',
  diff: 'diff',
  range: 'range',
}

function upgradeSingleStat(json: Json): Json {
  const gauge = objectOf(json.gauge)
  const colors = listOf(json.colors).map((color) => textOf(color))
  const limits = textOf(json.thresholds)
    .split(',')
    .map((limit) => numberOf(limit.trim()))
    .filter((limit) => limit !== undefined)
  const colored = isTrue(json.colorValue) || isTrue(json.colorBackground) || isTrue(gauge.show)
  const mappings: Json[] = []
  for (const each of listOf(json.valueMaps).map(objectOf)) {
    const value = textOf(each.value)
    if (value === 'null')
      mappings.push({
        type: 'special',
        options: { match: 'null', result: { text: textOf(each.text) } },
      })
    else mappings.push({ type: 'value', options: { [value]: { text: textOf(each.text) } } })
  }
  for (const each of listOf(json.rangeMaps).map(objectOf))
    if (textOf(each.from) !== 'null' || textOf(each.to) !== 'null')
      mappings.push({
        type: 'range',
        options: { from: each.from, to: each.to, result: { text: textOf(each.text) } },
      })
  const affixes = [textOf(json.prefix), textOf(json.postfix)]
  return {
    ...json,
    type: isTrue(gauge.show) ? 'gauge' : 'stat',
    fieldConfig: {
      defaults: {
        unit: textOf(json.format, 'none'),
        decimals: json.decimals,
        min: isTrue(gauge.show) ? (gauge.minValue ?? 0) : undefined,
        max: isTrue(gauge.show) ? (gauge.maxValue ?? 100) : undefined,
        noValue: textOf(json.nullText),
        mappings,
        thresholds: {
          mode: 'absolute',
          steps: colored
            ? [
                { value: null, color: colors[0] ?? 'green' },
                ...limits.map((value, index) => ({ value, color: colors[index + 1] ?? 'red' })),
              ]
            : [],
        },
      },
      overrides: [],
    },
    options: {
      reduceOptions: { calcs: [valueNames[textOf(json.valueName, 'avg')] ?? 'mean'] },
      graphMode: isTrue(objectOf(json.sparkline).show) ? 'area' : 'none',
      colorMode: isTrue(json.colorBackground) ? 'background' : colored ? 'value' : 'none',
      textMode: json.valueName === 'name' ? 'name' : 'auto',
      prefix: affixes[0],
      postfix: affixes[1],
      showThresholdMarkers: gauge.thresholdMarkers,
      showThresholdLabels: gauge.thresholdLabels,
    },
  }
}

/** Before version 7 the field's configuration stood in `options.fieldOptions`. */
function upgradeFieldOptions(json: Json): Json {
  const options = objectOf(json.options)
  const field = objectOf(options.fieldOptions)
  if (Object.keys(field).length === 0) return json
  return {
    ...json,
    fieldConfig: { defaults: objectOf(field.defaults), overrides: listOf(field.overrides) },
    options: { ...options, reduceOptions: { calcs: field.calcs, values: field.values } },
  }
}
