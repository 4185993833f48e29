import { parse } from 'yaml'
import { KhlongError } from '../errors.ts'
import { baseName, type ProjectFile } from './project-files.ts'

/** A service of a compose file, with its variables filled in. */
export interface ComposeService {
  readonly name: string
  /** The image without registry and tag, such as `confluentinc/cp-kafka`; empty where it is built. */
  readonly image: string
  readonly environment: Readonly<Record<string, string>>
  /** Words of `command`, where it has one. */
  readonly command: readonly string[]
  /** What `entrypoint` and `command` tell a shell, line by line. */
  readonly script: string
  /** Ports of the host by ports of the container. */
  readonly ports: ReadonlyMap<number, number>
  /** Whatever else it is called on its networks. */
  readonly aliases: readonly string[]
}

const composeNames = /^(docker-)?compose(\.[\w-]+)?\.ya?ml$/i

/**
 * Reads the services of a project's compose files; of a service in several files the first counts.
 *
 * @throws KhlongError `KHLONG_IMPORT` where a compose file is no YAML
 */
export function readComposeServices(files: readonly ProjectFile[]): ComposeService[] {
  const composeFiles = files.filter((file) => composeNames.test(baseName(file)))
  const services = new Map<string, ComposeService>()
  for (const file of composeFiles) {
    const folder = file.path.slice(0, -baseName(file).length)
    const variables = readVariables(files.find(({ path }) => path === `${folder}.env`)?.text ?? '')
    const fileOf = (name: string): string =>
      files.find(({ path }) => path === folder + name.replace(/^\.\//, ''))?.text ?? ''
    for (const [name, written] of Object.entries(servicesOf(file)))
      if (!services.has(name)) services.set(name, readService(name, written, variables, fileOf))
  }
  return [...services.values()]
}

/** The lines `NAME=value` of a `.env` file. */
export function readVariables(text: string): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?([\w.]+)\s*=\s*(.*?)\s*$/.exec(line)
    if (match) variables[match[1]!] = match[2]!.replace(/^(["'])(.*)\1$/, '$2')
  }
  return variables
}

function servicesOf(file: ProjectFile): Record<string, Record<string, unknown>> {
  let document: unknown
  try {
    document = parse(file.text, { merge: true })
  } catch (error) {
    throw new KhlongError('KHLONG_IMPORT', `${file.path}: ${(error as Error).message}`)
  }
  const services = (document as { services?: unknown } | null)?.services
  if (typeof services !== 'object' || services === null) return {}
  return Object.fromEntries(
    Object.entries(services).filter(([, service]) => typeof service === 'object' && service),
  )
}

function readService(
  name: string,
  written: Record<string, unknown>,
  variables: Readonly<Record<string, string>>,
  fileOf: (name: string) => string,
): ComposeService {
  const fill = (value: unknown): string => interpolate(String(value ?? ''), variables)
  const environment: Record<string, string> = {}
  for (const file of listOf(written.env_file))
    Object.assign(
      environment,
      readVariables(fileOf(fill((file as { path?: string }).path ?? file))),
    )
  for (const [key, value] of pairsOf(written.environment))
    environment[fill(key)] = value === undefined ? (variables[key] ?? '') : fill(value)
  const networks = typeof written.networks === 'object' ? Object.values(written.networks ?? {}) : []
  return {
    name,
    image: bareImage(fill(written.image)),
    environment,
    command: listOf(written.command).flatMap((word) => fill(word).split(/\s+(?=--)/)),
    script: [...listOf(written.entrypoint), ...listOf(written.command)].map(fill).join('\n'),
    ports: portsOf(listOf(written.ports), fill),
    aliases: [
      ...(written.container_name === undefined ? [] : [fill(written.container_name)]),
      ...(written.hostname === undefined ? [] : [fill(written.hostname)]),
      ...networks.flatMap((network) => listOf((network as { aliases?: unknown } | null)?.aliases)),
    ].map(String),
  }
}

/** `$NAME`, `${NAME}`, `${NAME:-default}`, `$$`, as Compose reads them. */
function interpolate(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(
    /\$(?:(\$)|(\w+)|\{(\w+)(?:(:?[-?+])([^}]*))?\})/g,
    (_whole, dollar, plain, braced, operator, operand) => {
      if (dollar) return '$'
      const value = variables[plain ?? braced]
      // With a colon a variable that is empty counts as none.
      const isSet = operator?.startsWith(':') ? Boolean(value) : value !== undefined
      if (operator?.endsWith('-') && !isSet) return operand
      if (operator?.endsWith('+')) return isSet ? operand : ''
      return value ?? ''
    },
  )
}

function bareImage(image: string): string {
  const parts = image.replace(/@.*$/, '').split('/')
  if (parts.length > 1 && /[.:]|^localhost$/.test(parts[0]!)) parts.shift()
  return parts.join('/').replace(/:[^/]*$/, '')
}

function listOf(value: unknown): unknown[] {
  return value === undefined || value === null ? [] : Array.isArray(value) ? value : [value]
}

/** `environment` as a map or as a list of `NAME=value`. */
function pairsOf(value: unknown): [string, unknown][] {
  if (!Array.isArray(value)) return Object.entries((value ?? {}) as Record<string, unknown>)
  return value.map((line) => {
    const [, key, rest] = /^([^=]*)(?:=(.*))?$/s.exec(String(line))!
    return [key!, rest]
  })
}

function portsOf(
  written: readonly unknown[],
  fill: (value: unknown) => string,
): Map<number, number> {
  const ports = new Map<number, number>()
  for (const port of written) {
    const { target, published } = port as { target?: unknown; published?: unknown }
    const [inside, outside] =
      typeof port === 'object'
        ? [fill(target), fill(published)]
        : fill(port)
            .replace(/\/\w+$/, '')
            .split(':')
            .reverse()
    if (/^\d+$/.test(inside ?? '') && /^\d+$/.test(outside ?? ''))
      ports.set(Number(inside), Number(outside))
  }
  return ports
}
