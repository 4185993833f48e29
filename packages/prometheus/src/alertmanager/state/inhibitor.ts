import type { Matcher } from '../../labels.ts'
import { type Alert, isResolved, type LabelSet } from './alert.ts'
import { matchesAll } from './matchers.ts'

/** A rule by which alerts keep others from being told. */
export interface InhibitRule {
  readonly source_matchers: readonly Matcher[]
  readonly target_matchers: readonly Matcher[]
  readonly equal: readonly string[]
}

/** Knows, for each rule, the alerts that inhibit others. */
export class Inhibitor {
  readonly #rules: readonly { rule: InhibitRule; sources: Map<string, Alert> }[]

  constructor(rules: readonly InhibitRule[]) {
    this.#rules = rules.map((rule) => ({ rule, sources: new Map() }))
  }

  put(alert: Alert): void {
    for (const { rule, sources } of this.#rules)
      if (matchesAll(rule.source_matchers, alert.labels)) sources.set(alert.fingerprint, alert)
  }

  remove(fingerprint: string): void {
    for (const { sources } of this.#rules) sources.delete(fingerprint)
  }

  /** Fingerprints of the alerts that keep one with these labels silent: one a rule. */
  inhibitedBy(labels: LabelSet, nowMs: number): string[] {
    const found: string[] = []
    for (const { rule, sources } of this.#rules) {
      if (!matchesAll(rule.target_matchers, labels)) continue
      // An alert that is on both sides does not inhibit others that are.
      const isBoth = matchesAll(rule.source_matchers, labels)
      for (const source of sources.values()) {
        if (isResolved(source, nowMs)) continue
        if (rule.equal.some((name) => (source.labels[name] ?? '') !== (labels[name] ?? '')))
          continue
        if (isBoth && matchesAll(rule.target_matchers, source.labels)) continue
        found.push(source.fingerprint)
        break
      }
    }
    return [...new Set(found)]
  }
}
