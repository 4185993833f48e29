import { useMemo, useState } from 'react'
import type { FieldConfig, Panel } from '../../src/model/dashboard.ts'
import { applyOverrides } from '../../src/model/field-config.ts'
import { type DataColumn, tableOf } from '../../src/model/series.ts'
import { displayOf } from '../../src/model/thresholds.ts'
import { compareCells, transformTable } from '../../src/model/transformations.ts'
import { unitLabel } from '../../src/model/units.ts'
import { useText } from '../i18n/index.ts'
import { dateTimeText, timeText } from '../lib/format.ts'
import { Icon } from '../ui/icons.tsx'
import { scrolls } from '../ui/scrolls.ts'
import { useDashboard } from './context.ts'
import type { PanelProps } from './registry.ts'

const rowsMax = 500

interface Column extends DataColumn {
  readonly config: FieldConfig
  readonly title: string
  readonly isNumber: boolean
  readonly isTime: boolean
}

/** Rows with hairlines: text left, figures right, units in the head. */
export function TablePanel({ panel, data }: PanelProps) {
  const text = useText()
  const { translate } = useDashboard()
  const columns = useMemo(() => columnsOf(panel, data.frames), [panel, data.frames])
  const [configured] = panel.options.sortBy
  const [sort, setSort] = useState<{ name: string; descending: boolean } | undefined>(
    configured && { name: configured.field, descending: configured.descending },
  )
  const count = columns[0]?.values.length ?? 0
  const rows = useMemo(() => {
    const order = Array.from({ length: count }, (_, row) => row)
    const by = columns.find(({ name }) => name === sort?.name)
    if (by && sort) {
      const sign = sort.descending ? -1 : 1
      order.sort((a, b) => sign * compareCells(by.values[a], by.values[b]))
    }
    return order.slice(0, rowsMax)
  }, [columns, count, sort])
  return (
    // A table may be wider than its panel; the keyboard must be able to move it.
    <div className="table-box" {...scrolls}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => {
              const unit = column.isTime ? '' : unitLabel(column.config.unit)
              const isSorted = sort?.name === column.name
              return (
                <th
                  key={column.name}
                  className={column.isNumber ? 'figure' : ''}
                  aria-sort={isSorted ? (sort.descending ? 'descending' : 'ascending') : undefined}
                >
                  <button
                    type="button"
                    title={text('sortBy', { column: translate(column.title) })}
                    onClick={() =>
                      setSort({ name: column.name, descending: isSorted && !sort.descending })
                    }
                  >
                    {translate(column.title)}
                    {unit && <small> {unit}</small>}
                    {isSorted && <Icon name={sort.descending ? 'chevron' : 'up'} size={10} />}
                  </button>
                </th>
              )
            })}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row}>
              {columns.map((column) => (
                <Cell key={column.name} column={column} value={column.values[row]} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Cell({ column, value }: { column: Column; value: unknown }) {
  const { translate } = useDashboard()
  const { config, isNumber, isTime, title } = column
  if (isTime && typeof value === 'number')
    return (
      <td className="figure" data-label={translate(title)} title={dateTimeText(value)}>
        {isToday(value) ? timeText(value) : dateTimeText(value)}
      </td>
    )
  const shown = displayOf(
    typeof value === 'number' || typeof value === 'string' || value === null
      ? value
      : String(value),
    config,
  )
  const isId = !isNumber && /(?:^|_)id$/i.test(column.name)
  const isFixedUnit = unitLabel(config.unit) !== ''
  return (
    <td
      className={`${isNumber ? 'figure' : ''} ${isId ? 'mono quiet' : ''} tone-${shown.tone}`}
      data-label={translate(title)}
    >
      {shown.prefix}
      {shown.text}
      {!isFixedUnit && shown.suffix !== '' && <small> {shown.suffix}</small>}
    </td>
  )
}

const isToday = (epochMs: number): boolean =>
  new Date(epochMs).toDateString() === new Date().toDateString()

function columnsOf(panel: Panel, frames: Parameters<typeof tableOf>[0]): Column[] {
  const { columns } = transformTable(tableOf(frames), panel.transformations)
  return columns
    .map((column) => {
      const config = applyOverrides(panel.defaults, panel.overrides, column)
      const isTime = column.type === 'time' || config.unit.startsWith('dateTime')
      return {
        ...column,
        config,
        title: config.displayName || column.name,
        isTime,
        isNumber: column.type === 'number' || isTime,
      }
    })
    .filter(({ config }) => !config.custom.hidden)
}
