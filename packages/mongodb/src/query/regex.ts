import { codeError } from '../errors.ts'

const PATTERN_LENGTH_MAX = 32_764

/**
 * Compiles a pattern of Perl's dialect with MongoDB's flags `imsxu`.
 *
 * @throws MongoError Location51091 for a pattern that does not compile, BadValue for an unknown flag.
 */
export function compileRegex(pattern: string, flags: string): RegExp {
  if (pattern.length > PATTERN_LENGTH_MAX)
    throw codeError('Location51091', 'Regular expression is invalid: pattern is too long')
  let source = pattern
  let own = ''
  // Flags at the head of the pattern, as in (?i)abc.
  const inline = /^\(\?([imsx]+)\)/.exec(source)
  if (inline) source = source.slice(inline[0].length)
  for (const flag of flags + (inline?.[1] ?? ''))
    if (flag === 'x') source = withoutComments(source)
    else if ('ims'.includes(flag)) own += own.includes(flag) ? '' : flag
    else if (flag !== 'u' && flag !== 'l')
      throw codeError('Location51091', `invalid flag in regex options: ${flag}`)
  // Atoms of Perl that JavaScript spells otherwise.
  source = source.replaceAll(/\\A/g, '^').replaceAll(/\\[zZ]/g, '$')
  try {
    return new RegExp(source, `${own}u`)
  } catch {
    // Perl lets many characters be escaped that the strict mode refuses.
    try {
      return new RegExp(source, own)
    } catch (error) {
      throw codeError('Location51091', `Regular expression is invalid: ${String(error)}`)
    }
  }
}

function withoutComments(pattern: string): string {
  return pattern.replaceAll(/\\.|\[(?:\\.|[^\]])*\]|\s+|#[^\n]*/gs, (part) =>
    part.startsWith('\\') || part.startsWith('[') ? part : '',
  )
}

/** The text with which every match begins, where the pattern is anchored; undefined otherwise. */
export function literalPrefix(pattern: string, flags: string): string | undefined {
  if (/[imx]/.test(flags) || pattern.includes('|')) return undefined
  const match = /^(?:\^|\\A)((?:[^\\^$.|?*+()[\]{}]|\\[^a-zA-Z0-9])+)/.exec(pattern)
  if (!match) return undefined
  let prefix = match[1]!
  // What a quantifier follows may be absent.
  if (/^[?*{]/.test(pattern.slice(match[0].length))) prefix = prefix.replace(/(?:\\.|.)$/su, '')
  prefix = prefix.replaceAll(/\\(.)/gs, '$1')
  return prefix === '' ? undefined : prefix
}
