import { SettingsError, type SettingsSource } from '@khlong/core'
import { KhlongError } from '../errors.ts'
import { plainValue } from './plain-value.ts'

type Path = readonly PropertyKey[]

/** One written source that later ones are laid over. */
export interface SettingsLayer {
  readonly name: string
  readonly values: Record<string, unknown>
  line(path: Path): number | undefined
}

/**
 * Settings from several sources, the later over the earlier, that remember where each was written.
 * Values are merged section by section and key by key; deeper values are replaced whole, but for
 * maps such as `streams.settings`, which are merged too.
 */
export class SettingsTree {
  readonly #layers: SettingsLayer[] = []

  /** @throws SettingsError where the text is not YAML, or not a map at the top. */
  async layYaml(name: string, text: string): Promise<void> {
    const { yamlLayer } = await import('./yaml-layer.ts')
    this.#layers.push(yamlLayer(name, text))
  }

  /** Lays one `section.key=value` over all; the value is read as YAML. */
  async assign(assignment: string): Promise<void> {
    const match = /^([^.=]+)(?:\.([^=]+))?=(.*)$/s.exec(assignment)
    if (!match)
      throw new KhlongError(
        'KHLONG_USAGE',
        `--set expects SECTION.KEY=VALUE such as kafka.listen=19092, found ${assignment}`,
      )
    const [, section, key, text] = match as unknown as [string, string, string | undefined, string]
    const value: unknown = plainValue(text) ?? (await import('yaml')).parse(text)
    // `settings` of a part is a map of the user's own keys, which may have dots themselves.
    const nested = key === undefined ? undefined : /^(settings)\.(.+)$/.exec(key)
    const inner = nested ? { [nested[1]!]: { [nested[2]!]: value } } : { [key ?? '']: value }
    this.#layers.push({
      name: `--set ${assignment}`,
      values: { [section]: key === undefined ? value : inner },
      line: () => undefined,
    })
  }

  /** The merged value at a path; undefined where nobody wrote one. */
  value(path: Path): unknown {
    let merged: unknown
    for (const layer of this.#layers) {
      const value = at(layer.values, path)
      if (value !== undefined) merged = merge(merged, value)
    }
    return merged
  }

  keys(path: Path): string[] {
    const value = this.value(path)
    return isRecord(value) ? Object.keys(value) : []
  }

  /** Whether somebody wrote this very setting, so that it is not a default. */
  isWritten(path: Path): boolean {
    return this.value(path) !== undefined
  }

  /** The last source that has anything at the path, for messages. */
  source(prefix: Path): SettingsSource {
    const find = (path: Path): SettingsLayer | undefined =>
      this.#layers.findLast((layer) => at(layer.values, path) !== undefined)
    const layer = find(prefix) ?? this.#layers[0]
    if (!layer) return { name: 'khlong.yml' }
    return { name: layer.name, line: (path) => layer.line(path) }
  }

  /** `file:line` of a setting, for messages. */
  where(path: Path): string {
    const source = this.source(path)
    const line = source.line?.(path)
    return line === undefined ? source.name : `${source.name}:${line}`
  }

  /** @throws SettingsError where something that is not text stands there. */
  text(path: Path): string | undefined {
    const value = this.value(path)
    if (value === undefined || value === null) return undefined
    if (typeof value === 'string' || typeof value === 'number') return String(value)
    throw new SettingsError(`${this.where(path)}: ${path.map(String).join('.')}: expected text`)
  }

  /** @throws SettingsError where something that is not a map of text stands there. */
  textMap(path: Path): Record<string, string> {
    const value = this.value(path) ?? {}
    if (!isRecord(value) || Object.values(value).some((item) => typeof item !== 'string'))
      throw new SettingsError(
        `${this.where(path)}: ${path.map(String).join('.')}: expected a map of text, such as { mosquitto: mqtt }`,
      )
    return value as Record<string, string>
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function at(values: unknown, path: Path): unknown {
  let value = values
  for (const step of path) {
    if (!isRecord(value)) return undefined
    value = value[String(step)]
  }
  return value
}

function merge(under: unknown, over: unknown): unknown {
  if (!isRecord(under) || !isRecord(over)) return over
  const merged: Record<string, unknown> = { ...under }
  for (const key in over) merged[key] = merge(merged[key], over[key])
  return merged
}
