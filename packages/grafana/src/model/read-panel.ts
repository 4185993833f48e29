import type { FieldConfig, Panel, PanelKind, PanelNote, PanelOptions, Target } from './dashboard.ts'
import { readFieldConfig } from './field-config.ts'
import { isTrue, type Json, listOf, numberOf, objectOf, textOf } from './json-access.ts'
import { parseDuration } from './time-range.ts'
import { supportedTransformations } from './transformations.ts'
import { upgradePanel } from './upgrade-panel.ts'

const kinds: Readonly<Record<string, PanelKind>> = {
  timeseries: 'timeseries',
  stat: 'stat',
  gauge: 'gauge',
  bargauge: 'bargauge',
  barchart: 'bargauge',
  piechart: 'bargauge',
  'grafana-piechart-panel': 'bargauge',
  table: 'table',
  'table-old': 'table',
  text: 'text',
  row: 'row',
}

/** All panels of a dashboard in reading order, rows of schema 12 to 15 laid out on the grid. */
export function readPanels(root: Json): Panel[] {
  const rows = listOf(root.rows)
  const flat = rows.length > 0 ? layOutRows(rows) : listOf(root.panels).map(objectOf)
  let idNext = 1 + Math.max(0, ...flat.map((panel) => numberOf(panel.id) ?? 0))
  const read = flat.map((panel) =>
    readPanel(numberOf(panel.id) ? panel : { ...panel, id: idNext++ }),
  )
  return read.sort((a, b) => a.grid.y - b.grid.y || a.grid.x - b.grid.x)
}

/** Heights of old rows are pixels; a grid row is 30 of them with 8 between. */
function layOutRows(rows: readonly unknown[]): Json[] {
  const placed: Json[] = []
  let y = 0
  for (const each of rows) {
    const row = objectOf(each)
    const pixels = numberOf(textOf(row.height, '250').replace('px', '')) ?? 250
    const h = Math.max(3, Math.ceil(pixels / 38))
    const titled = isTrue(row.showTitle) || isTrue(row.collapse)
    const children: Json[] = []
    let x = 0
    let rowY = y + (titled ? 1 : 0)
    for (const panel of listOf(row.panels).map(objectOf)) {
      const w = Math.min(24, Math.max(2, Math.round((numberOf(panel.span) ?? 4) * 2)))
      if (x + w > 24) {
        x = 0
        rowY += h
      }
      children.push({ ...panel, gridPos: { x, y: rowY, w, h } })
      x += w
    }
    if (titled) {
      const collapsed = isTrue(row.collapse)
      placed.push({
        type: 'row',
        title: row.title,
        collapsed,
        gridPos: { x: 0, y, w: 24, h: 1 },
        panels: collapsed ? children : [],
      })
      if (!collapsed) placed.push(...children)
      y = collapsed ? y + 1 : rowY + h
    } else {
      placed.push(...children)
      if (children.length > 0) y = rowY + h
    }
  }
  return placed
}

function readPanel(source: Json): Panel {
  const json = upgradePanel(source)
  const sourceType = textOf(source.type, 'unknown')
  const type = textOf(json.type)
  const grid = objectOf(json.gridPos)
  const fieldConfig = objectOf(json.fieldConfig)
  const kind = kinds[type] ?? 'unsupported'
  const transformations = listOf(json.transformations)
    .map(objectOf)
    .filter((each) => !isTrue(each.disabled))
    .map((each) => ({ id: textOf(each.id), options: objectOf(each.options) }))
  const options = readOptions(kind, type, objectOf(json.options))
  const notes: PanelNote[] = []
  if (type.includes('piechart')) notes.push('drawnAsBars')
  if (textOf(json.repeat) !== '') notes.push('repeatNotSupported')
  if (transformations.some(({ id }) => !supportedTransformations.has(id)))
    notes.push('transformationNotSupported')
  if (kind === 'text' && options.textKind === 'html') notes.push('htmlShownAsText')
  return {
    id: numberOf(json.id) ?? 0,
    kind,
    sourceType,
    title: textOf(json.title),
    description: textOf(json.description),
    grid: {
      x: numberOf(grid.x) ?? 0,
      y: numberOf(grid.y) ?? 0,
      w: numberOf(grid.w) ?? 12,
      h: numberOf(grid.h) ?? 8,
    },
    datasource: json.datasource,
    targets: listOf(json.targets).map((target, index) => readTarget(objectOf(target), index, kind)),
    defaults: readDefaults(fieldConfig),
    overrides: listOf(fieldConfig.overrides).map((each) => {
      const override = objectOf(each)
      const matcher = objectOf(override.matcher)
      return {
        matcher: { id: textOf(matcher.id), options: matcher.options },
        properties: listOf(override.properties).map((property) => {
          const { id, value } = objectOf(property)
          return { id: textOf(id), value }
        }),
      }
    }),
    options,
    transformations,
    maxDataPoints: numberOf(json.maxDataPoints),
    intervalMs: parseDuration(textOf(json.interval).replace(/^[<>]=?/, '')) ?? 0,
    timeFrom: textOf(json.timeFrom) || undefined,
    timeShift: textOf(json.timeShift) || undefined,
    repeat: textOf(json.repeat) || undefined,
    collapsed: isTrue(json.collapsed),
    panels: kind === 'row' ? listOf(json.panels).map((each) => readPanel(objectOf(each))) : [],
    notes,
  }
}

function readDefaults(fieldConfig: Json): FieldConfig {
  return readFieldConfig(objectOf(fieldConfig.defaults))
}

function readTarget(json: Json, index: number, kind: PanelKind): Target {
  const instant = isTrue(json.instant)
  return {
    refId: textOf(json.refId) || String.fromCharCode(65 + (index % 26)),
    datasource: json.datasource,
    hide: isTrue(json.hide),
    expr: textOf(json.expr),
    query: textOf(json.query) || textOf(json.rawQuery),
    database: textOf(json.database) || undefined,
    legendFormat: textOf(json.legendFormat),
    instant: instant || (kind === 'table' && json.format === 'table' && json.range !== true),
    range: json.range === undefined ? !instant : isTrue(json.range),
    format: textOf(json.format, 'time_series'),
    intervalMs: parseDuration(textOf(json.interval)) ?? (numberOf(json.step) ?? 0) * 1000,
    intervalFactor: numberOf(json.intervalFactor) ?? 1,
  }
}

function readOptions(kind: PanelKind, type: string, json: Json): PanelOptions {
  const reduce = objectOf(json.reduceOptions)
  const legend = objectOf(json.legend)
  const calcs = listOf(reduce.calcs).map((calc) => textOf(calc))
  const orientation = textOf(json.orientation, 'auto')
  const displayMode = textOf(
    json.displayMode,
    kind === 'bargauge' && type === 'bargauge' ? 'gradient' : 'basic',
  )
  const mode = textOf(json.mode, 'markdown')
  return {
    calcs: calcs.length > 0 ? calcs : ['lastNotNull'],
    allValues: isTrue(reduce.values),
    textMode: textOf(json.textMode, 'auto'),
    graphMode: json.graphMode === 'none' ? 'none' : 'area',
    colorMode: textOf(json.colorMode, 'value'),
    orientation: orientation === 'horizontal' || orientation === 'vertical' ? orientation : 'auto',
    displayMode: displayMode === 'lcd' || displayMode === 'basic' ? displayMode : 'gradient',
    thresholdMarkers: json.showThresholdMarkers !== false,
    thresholdLabels: isTrue(json.showThresholdLabels),
    legend: {
      show: legend.showLegend !== false && legend.displayMode !== 'hidden',
      mode: legend.displayMode === 'table' ? 'table' : 'list',
      placement: legend.placement === 'right' ? 'right' : 'bottom',
      calcs: listOf(legend.calcs).map((calc) => textOf(calc)),
    },
    tooltip: readTooltip(objectOf(json.tooltip)),
    textKind: mode === 'html' || mode === 'code' ? mode : 'markdown',
    content: textOf(json.content),
    sortBy: listOf(json.sortBy).map((each) => {
      const { displayName, desc } = objectOf(each)
      return { field: textOf(displayName), descending: isTrue(desc) }
    }),
    showHeader: json.showHeader !== false,
    prefix: textOf(json.prefix),
    postfix: textOf(json.postfix),
  }
}

function readTooltip(json: Json): PanelOptions['tooltip'] {
  return json.mode === 'multi' || json.mode === 'none' ? json.mode : 'single'
}
