import type { Matcher } from '../../labels.ts'
import { formatLabels, type LabelSet } from './alert.ts'
import { formatMatchers, matchesAll } from './matchers.ts'

/** A route as it is written; what is left out comes from the route above. */
export interface RouteConfig {
  readonly receiver?: string | undefined
  readonly group_by?: readonly string[] | undefined
  readonly matchers: readonly Matcher[]
  readonly continue: boolean
  readonly group_wait?: number | undefined
  readonly group_interval?: number | undefined
  readonly repeat_interval?: number | undefined
  readonly mute_time_intervals: readonly string[]
  readonly active_time_intervals: readonly string[]
  readonly routes: readonly RouteConfig[]
}

/** A route of the tree, with what it takes over from above. Durations in milliseconds. */
export class Route {
  readonly key: string
  readonly receiver: string
  readonly groupBy: readonly string[]
  readonly groupWaitMs: number
  readonly groupIntervalMs: number
  readonly repeatIntervalMs: number
  readonly muteTimeIntervals: readonly string[]
  readonly activeTimeIntervals: readonly string[]
  readonly routes: readonly Route[]
  readonly #matchers: readonly Matcher[]
  readonly #continues: boolean

  constructor(config: RouteConfig, parent?: Route) {
    this.#matchers = config.matchers
    this.#continues = config.continue
    this.key = `${parent ? `${parent.key}/` : ''}${formatMatchers(config.matchers)}`
    this.receiver = config.receiver ?? parent?.receiver ?? ''
    this.groupBy = config.group_by ?? parent?.groupBy ?? []
    this.groupWaitMs = config.group_wait ?? parent?.groupWaitMs ?? 30_000
    this.groupIntervalMs = config.group_interval ?? parent?.groupIntervalMs ?? 300_000
    this.repeatIntervalMs = config.repeat_interval ?? parent?.repeatIntervalMs ?? 14_400_000
    this.muteTimeIntervals = config.mute_time_intervals
    this.activeTimeIntervals = config.active_time_intervals
    this.routes = config.routes.map((route) => new Route(route, this))
  }

  /** The deepest routes that take these labels; later ones only after a `continue`. */
  match(labels: LabelSet): Route[] {
    if (!matchesAll(this.#matchers, labels)) return []
    const found: Route[] = []
    for (const route of this.routes) {
      const matched = route.match(labels)
      found.push(...matched)
      if (matched.length > 0 && !route.#continues) break
    }
    return found.length > 0 ? found : [this]
  }

  /** The labels by which this route puts alerts together. */
  groupLabels(labels: LabelSet): LabelSet {
    if (this.groupBy.includes('...')) return labels
    const group: Record<string, string> = {}
    for (const name of this.groupBy.toSorted())
      if (labels[name] !== undefined) group[name] = labels[name]
    return group
  }

  groupKey(groupLabels: LabelSet): string {
    return `${this.key}:${formatLabels(groupLabels)}`
  }
}
