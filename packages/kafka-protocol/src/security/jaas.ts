import { KafkaProtocolError } from '../errors.ts'

/** One entry of a JAAS configuration: `MODULE required key="value" …;`. */
export interface JaasEntry {
  /** The full class name, such as `org.apache.kafka.common.security.plain.PlainLoginModule`. */
  readonly loginModule: string
  readonly options: ReadonlyMap<string, string>
}

const flags = ['required', 'requisite', 'sufficient', 'optional']

/**
 * Reads the value of a `sasl.jaas.config`, which has one entry. Values stand in double quotes, where a
 * backslash takes the next character as it is, or bare.
 *
 * @throws KafkaProtocolError `KAFKA_PROTOCOL_JAAS_INVALID`; the message never has a value in it.
 */
export function parseJaas(text: string): JaasEntry {
  const tokens = tokenize(text)
  const [loginModule, flag] = tokens
  if (loginModule?.kind !== 'word' || flag?.kind !== 'word')
    throw invalid('expected a login module and a control flag')
  if (!flags.includes(flag.text.toLowerCase()))
    throw invalid(`the control flag after ${loginModule.text} must be one of ${flags.join(', ')}`)
  const options = new Map<string, string>()
  let at = 2
  for (; tokens[at]?.kind === 'word'; at += 3) {
    const name = tokens[at]!.text
    const value = tokens[at + 2]
    if (tokens[at + 1]?.text !== '=' || !value || value.kind === 'sign')
      throw invalid(`expected ${name}="…"`)
    options.set(name, value.text)
  }
  if (tokens[at]?.text !== ';') throw invalid('the entry does not end with a semicolon')
  if (tokens.length > at + 1) throw invalid('there must be one entry only')
  return { loginModule: loginModule.text, options }
}

interface Token {
  readonly kind: 'word' | 'quoted' | 'sign'
  readonly text: string
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  const pattern = /\s+|"((?:[^"\\]|\\.)*)"|([=;])|([^\s"=;]+)/gsy
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const [, quoted, sign, word] = match
    if (quoted !== undefined)
      tokens.push({ kind: 'quoted', text: quoted.replaceAll(/\\(.)/gs, '$1') })
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign })
    else if (word !== undefined) tokens.push({ kind: 'word', text: word })
    if (pattern.lastIndex === text.length) return tokens
  }
  if (text !== '') throw invalid('a quotation mark is not closed')
  return tokens
}

const invalid = (what: string): KafkaProtocolError =>
  new KafkaProtocolError('KAFKA_PROTOCOL_JAAS_INVALID', `a JAAS configuration: ${what}`)
