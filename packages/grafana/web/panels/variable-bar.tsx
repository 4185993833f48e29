import { useMemo, useState } from 'react'
import {
  allVariableValue,
  type Dashboard,
  type Variable,
  type VariableOption,
} from '../../src/model/dashboard.ts'
import {
  interpolate,
  optionsOf,
  readVariableQuery,
  type VariableValues,
} from '../../src/model/variables.ts'
import { useText } from '../i18n/index.ts'
import { ask } from '../lib/api.ts'
import { useQuery } from '../lib/query.ts'
import { setParams } from '../lib/router.tsx'
import { resolveRange, useTimeRange } from '../lib/time.ts'
import { Icon } from '../ui/icons.tsx'
import { MenuItem, Popover } from '../ui/popover.tsx'
import { useDashboard } from './context.ts'

export interface ResolvedVariables {
  readonly variables: readonly Variable[]
  readonly values: VariableValues
  readonly isReady: boolean
}

const refreshMs = 30_000

/** The variables of a dashboard with their options, asked for one after the other: one may use another. */
export function useVariables(
  dashboard: Dashboard | undefined,
  chosen: VariableValues,
): ResolvedVariables {
  const range = useTimeRange()
  const hasQueries = dashboard?.variables.some(({ kind }) => kind === 'query') ?? false
  const answer = useQuery(
    dashboard && hasQueries
      ? `variables ${dashboard.uid} ${range.from} ${range.to} ${JSON.stringify(chosen)}`
      : undefined,
    (signal) => askOptions(dashboard!.variables, chosen, range, signal),
    refreshMs,
  )
  return useMemo(() => {
    if (!dashboard) return { variables: [], values: {}, isReady: false }
    const options = answer.data ?? {}
    const variables = dashboard.variables.map((variable) =>
      options[variable.name] ? { ...variable, options: options[variable.name]! } : variable,
    )
    return {
      variables,
      values: valuesOf(variables, chosen),
      isReady: !hasQueries || answer.data !== undefined || answer.error !== undefined,
    }
  }, [dashboard, chosen, answer.data, answer.error, hasQueries])
}

function valuesOf(variables: readonly Variable[], chosen: VariableValues): VariableValues {
  const values: Record<string, readonly string[]> = {}
  for (const variable of variables) {
    const first = variable.includeAll ? allVariableValue : (variable.options[0]?.value ?? '')
    const known = (value: string): boolean =>
      value === allVariableValue || variable.options.some((option) => option.value === value)
    const kept = variable.current.filter(
      (value) => variable.kind !== 'query' || variable.options.length === 0 || known(value),
    )
    values[variable.name] = chosen[variable.name] ?? (kept.length > 0 ? kept : [first])
  }
  return values
}

async function askOptions(
  variables: readonly Variable[],
  chosen: VariableValues,
  range: { from: string; to: string },
  signal: AbortSignal,
): Promise<Record<string, VariableOption[]>> {
  const found: Record<string, VariableOption[]> = {}
  const { fromMs, toMs } = resolveRange(range, Date.now())
  const builtIns = { fromMs, toMs, intervalMs: 15_000 }
  for (const variable of variables) {
    if (variable.kind !== 'query') continue
    const known = variables.map((one) => ({ ...one, options: found[one.name] ?? one.options }))
    const query = interpolate(variable.query, known, valuesOf(known, chosen), builtIns)
    const values = await askValues(query, fromMs, toMs, signal)
    found[variable.name] = optionsOf(values, variable.regex)
  }
  return found
}

async function askValues(
  text: string,
  fromMs: number,
  toMs: number,
  signal: AbortSignal,
): Promise<string[]> {
  const query = readVariableQuery(text)
  const base = '/api/datasources/proxy/uid/prometheus/api/v1'
  const window = { start: String(fromMs / 1000), end: String(toMs / 1000) }
  const labelValues = async (label: string, selector?: string): Promise<string[]> => {
    const search = new URLSearchParams(selector ? { ...window, 'match[]': selector } : window)
    return (await ask<{ data: string[] }>(`${base}/label/${label}/values?${search}`, { signal }))
      .data
  }
  switch (query?.kind) {
    case 'labelValues':
      return labelValues(query.label, query.selector)
    case 'labelNames':
      return (await ask<{ data: string[] }>(`${base}/labels`, { signal })).data
    case 'metrics': {
      const names = await labelValues('__name__')
      const pattern = new RegExp(query.pattern)
      return names.filter((name) => pattern.test(name))
    }
    case 'queryResult': {
      const search = new URLSearchParams({ query: query.expr })
      const answer = await ask<{
        data: { result: { metric: Record<string, string>; value: [number, string] }[] }
      }>(`${base}/query?${search}`, { signal })
      return answer.data.result.map(({ metric: { __name__ = '', ...labels }, value }) => {
        const pairs = Object.entries(labels).map(([label, one]) => `${label}="${one}"`)
        return `${__name__}{${pairs.join(',')}} ${value[1]} ${Math.round(value[0] * 1000)}`
      })
    }
    default:
      return []
  }
}

/** The controls of all variables that are not hidden. */
export function VariableBar({ variables }: { variables: ResolvedVariables }) {
  const shown = variables.variables.filter(({ hidden, kind }) => !hidden && kind !== 'adhoc')
  return (
    <>
      {shown.map((variable) => (
        <VariableControl
          key={variable.name}
          variable={variable}
          values={variables.values[variable.name] ?? []}
        />
      ))}
    </>
  )
}

function VariableControl({ variable, values }: { variable: Variable; values: readonly string[] }) {
  const text = useText()
  const { translate } = useDashboard()
  const label = translate(variable.label)
  const [filter, setFilter] = useState('')
  const choose = (next: readonly string[]): void => setParams({ [`var-${variable.name}`]: next })
  if (variable.kind === 'textbox')
    return (
      <label className="variable-text">
        <span>{label}</span>
        <input
          defaultValue={values[0] ?? ''}
          onBlur={(event) => choose([event.target.value])}
          onKeyDown={(event) => {
            if (event.key === 'Enter') choose([event.currentTarget.value])
          }}
        />
      </label>
    )
  const isAll = values.includes(allVariableValue)
  const nameOf = (value: string): string =>
    variable.options.find((option) => option.value === value)?.text ?? value
  const summary = isAll
    ? text('all')
    : values.length === 0 || values[0] === ''
      ? text('nothingChosen')
      : values.length === 1
        ? nameOf(values[0]!)
        : text('countOf', { count: values.length, total: variable.options.length })
  const options = variable.options.filter((option) =>
    option.text.toLowerCase().includes(filter.toLowerCase()),
  )
  return (
    <Popover
      label={`${label} ${summary}`}
      className="button variable"
      button={
        <>
          <span className="quiet">{label}</span> {summary} <Icon name="chevron" size={12} />
        </>
      }
    >
      {(close) => (
        <div className="menu">
          {variable.options.length > 8 && (
            <input
              className="menu-filter"
              placeholder={text('filter')}
              aria-label={text('filter')}
              value={filter}
              onChange={(event) => setFilter(event.target.value)}
            />
          )}
          {variable.includeAll && (
            <MenuItem
              isChosen={isAll}
              onChoose={() => {
                choose([allVariableValue])
                close()
              }}
            >
              {text('all')}
            </MenuItem>
          )}
          {options.slice(0, 200).map((option) => {
            const isChosen = !isAll && values.includes(option.value)
            return (
              <MenuItem
                key={option.value}
                isChosen={isChosen}
                onChoose={() => {
                  if (!variable.multiple) {
                    choose([option.value])
                    close()
                    return
                  }
                  const rest = isAll ? [] : values.filter((value) => value !== option.value)
                  const next = isChosen ? rest : [...rest, option.value]
                  choose(next.length === 0 ? [allVariableValue] : next)
                }}
              >
                {variable.multiple && (
                  <span className={isChosen ? 'box checked' : 'box'}>
                    {isChosen && <Icon name="check" size={11} />}
                  </span>
                )}
                {option.text}
              </MenuItem>
            )
          })}
        </div>
      )}
    </Popover>
  )
}
