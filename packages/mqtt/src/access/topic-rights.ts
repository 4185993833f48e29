import { Access, type AclRule, type AclRules } from './acl-file.ts'

/** Topics whose answers one client's rights remember. */
const rememberedMax = 256
/** Longer topics are thought about each time: nobody may fill the memory with them. */
const rememberedLengthMax = 256

/**
 * What one client may read and write by an access file.
 *
 * Denials come first; then the topics of the client's user, then the patterns, and what none of them
 * allows is denied. Answers are remembered, for most clients use few topics.
 */
export class TopicRights {
  readonly #own: readonly CompiledRule[]
  readonly #patterns: readonly CompiledRule[]
  /** By topic: bits of what is allowed, for `read` at once and for `write`. */
  readonly #remembered = new Map<string, number>()

  constructor(rules: AclRules, username: string | undefined, clientId: string) {
    const own = username === undefined ? rules.anonymous : (rules.users.get(username) ?? [])
    this.#own = deniesFirst(own).map(compile)
    // A name with a wildcard in it would reach into the topics of others.
    const isDangerous = /[+#]/.test(username ?? '') || /[+#]/.test(clientId)
    this.#patterns = isDangerous
      ? []
      : deniesFirst(rules.patterns)
          .filter(({ filter }) => username !== undefined || !filter.includes('%u'))
          .map(({ filter, access }) => {
            const name = (found: string): string =>
              found === '%c' ? clientId : (username ?? found)
            return compile({ filter: filter.replace(/%[cu]/g, name), access })
          })
  }

  mayRead(topic: string): boolean {
    return (this.#allowed(topic) & Access.read) !== 0
  }

  mayWrite(topic: string): boolean {
    return (this.#allowed(topic) & Access.write) !== 0
  }

  #allowed(topic: string): number {
    const known = this.#remembered.get(topic)
    if (known !== undefined) return known
    const levels = topic.split('/')
    const allowed =
      (this.#decide(levels, Access.read) ? Access.read : 0) |
      (this.#decide(levels, Access.write) ? Access.write : 0)
    if (topic.length <= rememberedLengthMax) {
      if (this.#remembered.size >= rememberedMax) this.#remembered.clear()
      this.#remembered.set(topic, allowed)
    }
    return allowed
  }

  #decide(levels: readonly string[], wanted: number): boolean {
    for (const rules of [this.#own, this.#patterns])
      for (const rule of rules) {
        if ((rule.access & wanted) === 0 && rule.access !== Access.none) continue
        if (matches(rule.levels, levels)) return rule.access !== Access.none
      }
    return false
  }
}

interface CompiledRule {
  readonly levels: readonly string[]
  readonly access: number
}

const compile = ({ filter, access }: AclRule): CompiledRule => ({
  levels: filter.split('/'),
  access,
})

function deniesFirst(rules: readonly AclRule[]): AclRule[] {
  const isDenial = ({ access }: AclRule): boolean => access === Access.none
  return [...rules.filter(isDenial), ...rules.filter((rule) => !isDenial(rule))]
}

function matches(filter: readonly string[], topic: readonly string[]): boolean {
  const first = filter[0]!
  if (topic[0]!.startsWith('$') !== first.startsWith('$')) return false
  for (let index = 0; index < filter.length; index++) {
    const level = filter[index]!
    if (level === '#') return true
    if (index >= topic.length) return false
    if (level !== '+' && level !== topic[index]) return false
  }
  return filter.length === topic.length
}
