import { KafkaError } from '../errors.ts'

/** Makes a user's name of a certificate's; undefined where no rule applies. */
export type PrincipalMapper = (distinguishedName: string) => string | undefined

/**
 * Reads `ssl.principal.mapping.rules` (KIP-371): `RULE:pattern/replacement/[LU]` and `DEFAULT`,
 * comma-separated; the first rule whose pattern fits the whole name decides.
 *
 * @throws KafkaError `KAFKA_CONFIG_INVALID`
 */
export function parsePrincipalRules(text: string): PrincipalMapper {
  const rules: PrincipalMapper[] = []
  let rest = text.trim()
  while (rest !== '') {
    const match =
      /^(?:(DEFAULT)|RULE:((?:\\.|[^\\/])*)\/((?:\\.|[^\\/])*)\/([LU]?))\s*(?:,\s*|$)/s.exec(rest)
    if (!match) throw invalid(rest, 'expected RULE:pattern/replacement/[LU] or DEFAULT')
    const [whole, isDefault, pattern = '', replacement = '', casing = ''] = match
    rules.push(isDefault ? (name) => name : rule(pattern, replacement, casing))
    rest = rest.slice(whole.length)
  }
  return (name) => {
    for (const apply of rules) {
      const mapped = apply(name)
      if (mapped !== undefined) return mapped
    }
    return undefined
  }
}

function rule(source: string, replacement: string, casing: string): PrincipalMapper {
  let pattern: RegExp
  try {
    pattern = new RegExp(`^(?:${source})$`)
  } catch (error) {
    throw invalid(source, (error as Error).message)
  }
  return (name) => {
    const groups = pattern.exec(name)
    if (!groups) return undefined
    const result = expand(replacement, groups)
    if (casing === 'L') return result.toLowerCase()
    return casing === 'U' ? result.toUpperCase() : result
  }
}

/** Java's replacement: `$n` is a group, as many digits as there are groups for; a backslash takes the next literally. */
function expand(replacement: string, groups: RegExpExecArray): string {
  return replacement.replaceAll(/\\(.)|\$(\d+)/gs, (whole, literal: string, digits: string) => {
    if (literal !== undefined) return literal
    let length = digits.length
    while (length > 1 && Number(digits.slice(0, length)) >= groups.length) length--
    const index = Number(digits.slice(0, length))
    if (index >= groups.length) return whole
    return (groups[index] ?? '') + digits.slice(length)
  })
}

function invalid(where: string, what: string): KafkaError {
  return new KafkaError('KAFKA_CONFIG_INVALID', `'${where}': ${what}`)
}
