import { ask } from './api.ts'
import { useQuery } from './query.ts'
import { useSetup } from './setup.ts'

/** A rule as Prometheus's API shows it. */
export interface Rule {
  readonly type: 'alerting' | 'recording'
  readonly name: string
  readonly query: string
  readonly state?: 'firing' | 'pending' | 'inactive'
  readonly health?: string
  readonly lastError?: string
  readonly duration?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly alerts?: readonly RuleAlert[]
}

export interface RuleAlert {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly state: 'firing' | 'pending' | 'inactive'
  readonly activeAt?: string
  readonly value: string
}

export interface RuleGroup {
  readonly name: string
  readonly file: string
  readonly rules: readonly Rule[]
}

/** All rule groups, asked again every few seconds; one request for all who look. */
export function useRules(refreshMs = 5_000): {
  groups: readonly RuleGroup[] | undefined
  error: Error | undefined
  atMs: number
  retry: () => void
} {
  const setup = useSetup()
  const answer = useQuery(
    setup ? 'rules' : undefined,
    (signal) =>
      ask<{ data: { groups: RuleGroup[] } }>('/api/datasources/proxy/uid/prometheus/api/v1/rules', {
        signal,
      }),
    setup?.configured.prometheus ? refreshMs : 0,
  )
  return { ...answer, groups: answer.data?.data.groups }
}

/** How many alerts fire now. */
export function useFiringCount(): number {
  const { groups = [] } = useRules()
  return groups
    .flatMap(({ rules }) => rules)
    .flatMap(({ alerts = [] }) => alerts)
    .filter(({ state }) => state === 'firing').length
}
