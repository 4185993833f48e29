import { type FormEvent, useState } from 'react'
import { parseTime } from '../../src/model/time-range.ts'
import { type TextKey, useText } from '../i18n/index.ts'
import { duration } from '../lib/duration.ts'
import { dateTimeText, rangeText, timeText } from '../lib/format.ts'
import { buddhistStore, chooseYears, languageStore } from '../lib/preferences.ts'
import { refreshQueries } from '../lib/query.ts'
import { setParams } from '../lib/router.tsx'
import { useStore } from '../lib/store.ts'
import {
  chooseRange,
  refreshChoices,
  resolveRange,
  type TimeRange,
  useTimeRange,
  zoomOut,
} from '../lib/time.ts'
import { Icon } from '../ui/icons.tsx'
import { MenuItem, Popover } from '../ui/popover.tsx'

/** The ranges that are one click away. */
export const quickRanges: readonly (readonly [string, TextKey])[] = [
  ['now-5m', 'minutes5'],
  ['now-15m', 'minutes15'],
  ['now-30m', 'minutes30'],
  ['now-1h', 'hours1'],
  ['now-3h', 'hours3'],
  ['now-6h', 'hours6'],
  ['now-12h', 'hours12'],
  ['now-24h', 'hours24'],
  ['now-2d', 'days2'],
  ['now-7d', 'days7'],
  ['now-30d', 'days30'],
]

/** Range and refresh in one control, as Grafana has them. */
export function TimePicker() {
  const text = useText()
  const range = useTimeRange()
  const label = useRangeLabel(range)
  const refresh =
    range.refreshMs === 0 ? text('refreshOff') : duration(range.refreshMs).replace('.0', '')
  return (
    <div className="time-picker">
      <Popover
        label={`${text('timeRange')}: ${label}`}
        className="button time-button"
        align="right"
        button={
          <>
            <Icon name="clock" />
            <span className="time-label">{label}</span>
            <Icon name="chevron" size={14} />
          </>
        }
      >
        {(close) => <RangeChoices range={range} close={close} />}
      </Popover>
      <Popover
        label={`${text('refresh')}: ${refresh}`}
        className="button refresh-button"
        align="right"
        button={
          <>
            <Icon name="refresh" />
            <span className="refresh-label">{refresh}</span>
            <Icon name="chevron" size={14} />
          </>
        }
      >
        {(close) => (
          <div className="menu">
            <MenuItem
              onChoose={() => {
                refreshQueries('')
                close()
              }}
            >
              {text('refreshNow')}
            </MenuItem>
            <hr />
            {refreshChoices.map((choice) => (
              <MenuItem
                key={choice}
                isChosen={choice === (range.refreshMs === 0 ? 'off' : `${range.refreshMs / 1000}s`)}
                onChoose={() => {
                  setParams({ refresh: choice }, { replace: true })
                  close()
                }}
              >
                {choice === 'off'
                  ? text('refreshOff')
                  : choice.replace('m', ` ${text('unitMin')}`).replace('s', ` ${text('unitS')}`)}
              </MenuItem>
            ))}
          </div>
        )}
      </Popover>
    </div>
  )
}

function useRangeLabel(range: TimeRange): string {
  const text = useText()
  const quick = range.to === 'now' && quickRanges.find(([from]) => from === range.from)
  if (quick) return text('last', { duration: text(quick[1]) })
  if (range.from === 'now/d' && range.to.startsWith('now')) return text('today')
  const { fromMs, toMs } = resolveRange(range, Date.now())
  if (range.to === 'now') return text('last', { duration: duration(toMs - fromMs) })
  const sameDay = new Date(fromMs).toDateString() === new Date(toMs).toDateString()
  const fine = toMs - fromMs < 300_000
  return sameDay
    ? `${timeText(fromMs, fine)} – ${timeText(toMs, fine)}`
    : `${dateTimeText(fromMs)} – ${dateTimeText(toMs)}`
}

function RangeChoices({ range, close }: { range: TimeRange; close: () => void }) {
  const text = useText()
  const language = useStore(languageStore)
  const buddhist = useStore(buddhistStore)
  const resolved = resolveRange(range, Date.now())
  const [from, setFrom] = useState(
    range.from.startsWith('now') ? range.from : inputText(resolved.fromMs),
  )
  const [to, setTo] = useState(range.to.startsWith('now') ? range.to : inputText(resolved.toMs))
  const [isInvalid, setInvalid] = useState(false)
  const apply = (event: FormEvent): void => {
    event.preventDefault()
    const fromMs = parseTime(from.trim(), Date.now())
    const toMs = parseTime(to.trim(), Date.now(), { roundUp: true })
    if (fromMs === undefined || toMs === undefined || fromMs >= toMs) {
      setInvalid(true)
      return
    }
    const written = (value: string, time: number): string =>
      value.trim().startsWith('now') ? value.trim() : String(time)
    chooseRange(written(from, fromMs), written(to, toMs))
    close()
  }
  return (
    <div className="range-choices">
      <form onSubmit={apply}>
        <h3>{text('absoluteRange')}</h3>
        <label>
          {text('from')}
          <input
            value={from}
            onChange={(event) => setFrom(event.target.value)}
            spellCheck={false}
          />
        </label>
        <label>
          {text('to')}
          <input value={to} onChange={(event) => setTo(event.target.value)} spellCheck={false} />
        </label>
        <p className={isInvalid ? 'hint critical' : 'hint'} role={isInvalid ? 'alert' : undefined}>
          {text(isInvalid ? 'rangeInvalid' : 'rangeHint')}
        </p>
        <div className="row">
          <button type="submit" className="button primary">
            {text('apply')}
          </button>
          <button
            type="button"
            className="button"
            onClick={() => {
              zoomOut(range)
              close()
            }}
          >
            {text('zoomOut')}
          </button>
        </div>
        <p className="hint">{rangeText(resolved.fromMs, resolved.toMs)}</p>
        {language === 'th' && (
          <label className="check">
            <input
              type="checkbox"
              checked={buddhist}
              onChange={(event) => chooseYears(event.target.checked)}
            />
            {text('buddhistYears')}
          </label>
        )}
      </form>
      <div className="menu">
        <h3>{text('quickRanges')}</h3>
        {quickRanges.map(([quick, name]) => (
          <MenuItem
            key={quick}
            isChosen={quick === range.from && range.to === 'now'}
            onChoose={() => {
              chooseRange(quick, 'now')
              close()
            }}
          >
            {text('last', { duration: text(name) })}
          </MenuItem>
        ))}
        <MenuItem
          isChosen={range.from === 'now/d'}
          onChoose={() => {
            chooseRange('now/d', 'now')
            close()
          }}
        >
          {text('today')}
        </MenuItem>
      </div>
    </div>
  )
}

/** `2026-01-31 08:00:00`: read by Date.parse in the reader's own zone. */
function inputText(epochMs: number): string {
  const date = new Date(epochMs - new Date(epochMs).getTimezoneOffset() * 60_000)
  return date.toISOString().slice(0, 19).replace('T', ' ')
}
