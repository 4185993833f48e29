import { createHash } from 'node:crypto'
import type { RelabelConfig } from '../config.ts'
import { anchored } from '../labels.ts'
import { expand } from '../promql/vector-functions.ts'

/** Applies relabelling rules in order; undefined where a rule drops. Labels are changed in a copy. */
export function relabel(
  given: Readonly<Record<string, string>>,
  rules: readonly RelabelConfig[],
): Record<string, string> | undefined {
  const labels = { ...given }
  for (const rule of rules) if (!apply(labels, rule)) return undefined
  return labels
}

const patterns = new Map<string, RegExp>()

function pattern(text: string): RegExp {
  const known = patterns.get(text)
  if (known) return known
  const made = anchored(text)
  patterns.set(text, made)
  return made
}

/** Whether the labels are kept. */
function apply(labels: Record<string, string>, rule: RelabelConfig): boolean {
  const value = rule.source_labels.map((name) => labels[name] ?? '').join(rule.separator)
  const expression = pattern(rule.regex)
  const set = (name: string, text: string): void => {
    if (text === '') delete labels[name]
    else labels[name] = text
  }
  switch (rule.action) {
    case 'replace': {
      const match = expression.exec(value)
      if (match) set(expand(rule.target_label ?? '', match), expand(rule.replacement, match))
      return true
    }
    case 'keep':
      return expression.test(value)
    case 'drop':
      return !expression.test(value)
    case 'keepequal':
      return value === (labels[rule.target_label ?? ''] ?? '')
    case 'dropequal':
      return value !== (labels[rule.target_label ?? ''] ?? '')
    case 'lowercase':
      set(rule.target_label ?? '', value.toLowerCase())
      return true
    case 'uppercase':
      set(rule.target_label ?? '', value.toUpperCase())
      return true
    case 'hashmod': {
      const hash = createHash('md5').update(value).digest().readBigUInt64BE(8)
      set(rule.target_label ?? '', String(hash % BigInt(rule.modulus ?? 1)))
      return true
    }
    case 'labelmap':
      for (const name of Object.keys(labels)) {
        const match = expression.exec(name)
        if (match) labels[expand(rule.replacement, match)] = labels[name]!
      }
      return true
    case 'labeldrop':
    case 'labelkeep':
      for (const name of Object.keys(labels))
        if (expression.test(name) === (rule.action === 'labeldrop')) delete labels[name]
      return true
  }
}
