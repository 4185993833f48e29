import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseProperties, SettingsError } from '@khlong/core'
import { ConnectError } from '../errors.ts'
import type { ConfigMap } from './fields.ts'

/** What stands behind `${name:path:key}`. */
export interface ConfigProvider {
  /** @throws ConnectError `CONNECT_CONFIG` where there is no such thing, or it may not be read. */
  get(path: string, key: string): string
}

export type ConfigProviders = ReadonlyMap<string, ConfigProvider>

export interface ProviderOptions {
  readonly 'config.providers': string
  readonly 'config.providers.env.param.allowlist.pattern'?: string | undefined
  readonly 'config.providers.file.param.allowed.paths'?: string | undefined
  readonly 'config.providers.directory.param.allowed.paths'?: string | undefined
  /** The variables that `env` shows; default: those of the process. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

const config = (message: string): ConnectError => new ConnectError('CONNECT_CONFIG', message)

/** The providers that `config.providers` lists. @throws SettingsError where one is not known. */
export function configProviders(options: ProviderOptions): ConfigProviders {
  const makers: Readonly<Record<string, () => ConfigProvider>> = {
    env: () => envProvider(options),
    file: () => fileProvider(options['config.providers.file.param.allowed.paths']),
    directory: () => directoryProvider(options['config.providers.directory.param.allowed.paths']),
  }
  const names = options['config.providers'].split(',').map((name) => name.trim())
  return new Map(
    names
      .filter((name) => name !== '')
      .map((name) => {
        const make = makers[name]
        if (make) return [name, make()]
        throw new SettingsError(
          `config.providers: no provider ${name}; there are env, file and directory`,
          { key: 'config.providers' },
        )
      }),
  )
}

/** KIP-887. Java shows all variables; ours begin with KHLONG_ unless told otherwise. */
function envProvider(options: ProviderOptions): ConfigProvider {
  const written = options['config.providers.env.param.allowlist.pattern']
  const pattern = new RegExp(`^(?:${written ?? (options.env ? '.*' : 'KHLONG_.*')})$`)
  const variables: Readonly<Record<string, string | undefined>> = options.env ?? process.env
  return {
    get: (_path, key) => {
      const value = pattern.test(key) ? variables[key] : undefined
      if (value !== undefined) return value
      throw config(`the environment has no variable ${key}`)
    },
  }
}

/** `${file:/path/to/file.properties:key}` */
function fileProvider(allowed: string | undefined): ConfigProvider {
  return {
    get: (file, key) => {
      const value = parseProperties(readAllowed(file, allowed))[key]
      if (value !== undefined) return value
      throw config(`the file ${file} has no ${key}`)
    },
  }
}

/** `${directory:/path/to/folder:file-name}`, as secrets are mounted. */
function directoryProvider(allowed: string | undefined): ConfigProvider {
  return {
    get: (folder, key) => {
      if (key !== path.basename(key)) throw config(`${key} is no name of a file in ${folder}`)
      return readAllowed(path.join(folder, key), allowed)
    },
  }
}

function readAllowed(file: string, allowed: string | undefined): string {
  const full = path.resolve(file)
  const isAllowed =
    allowed === undefined ||
    allowed.split(',').some((root) => {
      const relative = path.relative(path.resolve(root.trim()), full)
      return !relative.startsWith('..') && !path.isAbsolute(relative)
    })
  if (!isAllowed) throw config(`${file} is not in the allowed paths`)
  try {
    return readFileSync(full, 'utf8')
  } catch (error) {
    throw new ConnectError('CONNECT_CONFIG', `${file} cannot be read`, { cause: error })
  }
}

const reference = /\$\{([^}:]*):(?:([^}]*):)?([^}:]*)\}/g

/**
 * Puts in what `${provider:path:key}` stands for. Like Java, text that names no configured provider
 * stays as it is. REST shows the text with its references; only tasks and validation see the rest.
 *
 * @throws ConnectError `CONNECT_CONFIG` where something is not there.
 */
export function resolveReferences(written: ConfigMap, providers: ConfigProviders): ConfigMap {
  const resolved: Record<string, string> = {}
  for (const [option, text] of Object.entries(written))
    resolved[option] = text.includes('${') ? resolveText(option, text, providers) : text
  return resolved
}

function resolveText(option: string, text: string, providers: ConfigProviders): string {
  return text.replace(reference, (whole, name: string, where: string | undefined, key: string) => {
    const provider = providers.get(name)
    if (!provider) return whole
    try {
      return provider.get(where ?? '', key)
    } catch (error) {
      throw new ConnectError(
        'CONNECT_CONFIG',
        `${option}: ${(error as Error).message}, which ${whole} asks for`,
        { cause: error },
      )
    }
  })
}
