import type { CustomConfig, FieldConfig, Mapping, Override, Thresholds } from './dashboard.ts'
import { isTrue, type Json, listOf, numberOf, objectOf, textOf } from './json-access.ts'

/** Reads `fieldConfig.defaults`. */
export function readFieldConfig(json: Json): FieldConfig {
  const color = objectOf(json.color)
  return {
    unit: textOf(json.unit),
    decimals: numberOf(json.decimals),
    min: numberOf(json.min),
    max: numberOf(json.max),
    displayName: textOf(json.displayName),
    noValue: textOf(json.noValue),
    thresholds: readThresholds(objectOf(json.thresholds)),
    mappings: readMappings(json.mappings),
    colorMode: textOf(color.mode, 'palette-classic'),
    fixedColor: textOf(color.fixedColor) || undefined,
    custom: readCustom(objectOf(json.custom)),
  }
}

export function readThresholds(json: Json): Thresholds {
  const steps = listOf(json.steps).map((step, index) => {
    const { value, color } = objectOf(step)
    return {
      value: index === 0 ? Number.NEGATIVE_INFINITY : (numberOf(value) ?? Number.NEGATIVE_INFINITY),
      color: textOf(color, 'green'),
    }
  })
  return { mode: json.mode === 'percentage' ? 'percentage' : 'absolute', steps }
}

/** Reads mappings of today (`{type, options}`) and of before version 8 (`{type: 1, value, text}`). */
export function readMappings(json: unknown): Mapping[] {
  const found: Mapping[] = []
  const add = (kind: Mapping['kind'], match: string, from: unknown, to: unknown, result: Json) => {
    found.push({
      kind,
      match,
      from: numberOf(from) ?? Number.NEGATIVE_INFINITY,
      to: numberOf(to) ?? Number.POSITIVE_INFINITY,
      text: result.text === undefined ? undefined : textOf(result.text),
      color: textOf(result.color) || undefined,
    })
  }
  for (const each of listOf(json)) {
    const mapping = objectOf(each)
    const options = objectOf(mapping.options)
    const result = objectOf(options.result)
    if (mapping.type === 'value')
      for (const [value, one] of Object.entries(options))
        add('value', value, undefined, undefined, objectOf(one))
    else if (mapping.type === 'range') add('range', '', options.from, options.to, result)
    else if (mapping.type === 'regex')
      add('regex', textOf(options.pattern), undefined, undefined, result)
    else if (mapping.type === 'special')
      add('special', textOf(options.match), undefined, undefined, result)
    else if (mapping.type === 2) add('range', '', mapping.from, mapping.to, mapping)
    else add('value', textOf(mapping.value), undefined, undefined, mapping)
  }
  return found
}

function readCustom(json: Json): CustomConfig {
  const interpolation = textOf(json.lineInterpolation)
  const stacking = textOf(objectOf(json.stacking).mode, 'none')
  const line = objectOf(json.lineStyle)
  const hideFrom = objectOf(json.hideFrom)
  return {
    drawStyle: json.drawStyle === 'bars' || json.drawStyle === 'points' ? json.drawStyle : 'line',
    lineWidth: numberOf(json.lineWidth) ?? 1,
    fillOpacity: numberOf(json.fillOpacity) ?? 0,
    step:
      interpolation === 'stepBefore' ? 'before' : interpolation === 'stepAfter' ? 'after' : 'none',
    showPoints:
      json.showPoints === 'always' || json.showPoints === 'never' ? json.showPoints : 'auto',
    pointSize: numberOf(json.pointSize) ?? 5,
    spanNulls: isTrue(json.spanNulls) || typeof json.spanNulls === 'number',
    stacked: stacking === 'normal' || stacking === 'percent',
    axisLabel: textOf(json.axisLabel),
    axisRight: json.axisPlacement === 'right',
    axisHidden: json.axisPlacement === 'hidden',
    dashed: line.fill === 'dash' || line.fill === 'dot',
    hidden: isTrue(hideFrom.viz) || isTrue(json.hidden),
    width: numberOf(json.width),
    align: textOf(json.align, 'auto'),
    cellType: textOf(objectOf(json.cellOptions).type) || textOf(json.displayMode, 'auto'),
    thresholdLines: !['', 'off'].includes(textOf(objectOf(json.thresholdsStyle).mode)),
  }
}

/** What an override can match. */
export interface FieldFacts {
  readonly name: string
  readonly refId: string
  readonly type: string
}

/** The defaults with every override that matches the field laid over them, in order. */
export function applyOverrides(
  defaults: FieldConfig,
  overrides: readonly Override[],
  field: FieldFacts,
): FieldConfig {
  let config = defaults
  for (const { matcher, properties } of overrides) {
    if (!matches(matcher, field)) continue
    for (const { id, value } of properties) config = applyProperty(config, id, value)
  }
  return config
}

function matches({ id, options }: Override['matcher'], field: FieldFacts): boolean {
  switch (id) {
    case 'byName':
      return field.name === textOf(options)
    case 'byRegexp':
      return regularExpressionOf(textOf(options))?.test(field.name) ?? false
    case 'byFrameRefID':
      return field.refId === textOf(options)
    case 'byType':
      return field.type === textOf(options)
    case 'byNames':
      return listOf(objectOf(options).names).includes(field.name)
    default:
      return false
  }
}

/** Reads `/pattern/flags` or a bare pattern; undefined where it is not valid. */
export function regularExpressionOf(text: string): RegExp | undefined {
  const match = /^\/(.*)\/([a-z]*)$/s.exec(text)
  try {
    return match ? new RegExp(match[1]!, match[2]!.replace('g', '')) : new RegExp(text)
  } catch {
    return undefined
  }
}

function applyProperty(config: FieldConfig, id: string, value: unknown): FieldConfig {
  const read = readFieldConfig({ [id]: value })
  switch (id) {
    case 'unit':
    case 'decimals':
    case 'min':
    case 'max':
    case 'displayName':
    case 'noValue':
    case 'thresholds':
    case 'mappings':
      return { ...config, [id]: read[id] }
    case 'color':
      return { ...config, colorMode: read.colorMode, fixedColor: read.fixedColor }
    default: {
      if (!id.startsWith('custom.')) return config
      const key = id.slice('custom.'.length)
      const custom = readCustom({ [key]: value })
      const plain = readCustom({})
      const changed = Object.fromEntries(
        Object.entries(custom).filter(
          ([name, now]) => now !== plain[name as keyof CustomConfig] || name === key,
        ),
      )
      return { ...config, custom: { ...config.custom, ...changed } }
    }
  }
}
